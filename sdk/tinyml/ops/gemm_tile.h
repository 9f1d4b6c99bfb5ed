/* The inner tile of convolutions as a matrix product: three pixels times all pairs of output channels.
 *
 * columns: for every group of four taps six words: the even taps (0, 2) of the three pixels as int16 pairs, then
 *   the odd taps (1, 3) of the three.
 * stream: for every pair of output channels: two biases, then per group the four int8 weights of either channel as
 *   one word each, then two multipliers. Written by gemm_packing.py.
 * Every output is saturate(zero_point + round(accumulator * multiplier / 2**32)). */
#ifndef TM_GEMM_TILE_H
#define TM_GEMM_TILE_H

#include <stdint.h>

/* The assembly reads the members in this order. */
typedef struct {
    const uint32_t *columns;
    const uint32_t *columns_end;
    int8_t *y;          /* first pixel, first channel */
    int32_t y_stride;   /* bytes from one pixel to the next */
    int32_t zero_point;
    int32_t odd_groups; /* 1 if the number of groups is odd */
    const int32_t *stream;
    const int32_t *stream_end;
} tm_gemm_tile;

#if defined(__ARM_FEATURE_DSP)
#include "gemm_tile_armv7em.h"
#else
#include "gemm_tile_portable.h"
#endif

#endif
