/* The inner tile of convolutions as a matrix product: three pixels times pairs of output channels.
 *
 * windows: for every group of four taps the two words of gemm_expand.h; the window of the second pixel starts `pitch`
 *   bytes behind that of the first, the third's another `pitch` behind. Windows may overlap.
 * stream: for every pair of output channels two biases, then per group one word of either channel's four weights,
 *   then the multiplier and the packed scale of the first and of the second. Written by gemm_packing.py, which
 *   explains the arithmetic: accumulators are 256 times the sum of products.
 * A packed scale is an offset, a multiple of 32, and in its low five bits the right shift. Every output is
 * saturate(((accumulator * multiplier >> 32) + offset) >> right); where right is above 7 the signed tile takes 128 away
 * before the shift if the accumulator is negative (needs_negative_fix of requantize_scaled.py). */
#ifndef TM_GEMM_TILE_H
#define TM_GEMM_TILE_H

#include <stdint.h>

#define TM_GEMM_UNROLL 8

/* The assembly reads the members in this order. Pixels that are not wanted get the place of the one before them: the
 * third is stored first. */
typedef struct {
    const uint32_t *windows;
    const uint32_t *windows_end; /* of the first pixel */
    int32_t pitch;
    int32_t skipped; /* groups left out of the first round of TM_GEMM_UNROLL */
    int8_t *y;       /* first pixel, first channel */
    int32_t second, third; /* bytes from the first pixel to the others */
    const int32_t *stream_end;
    const int32_t *stream;
} tm_gemm_tile;

#if defined(__ARM_FEATURE_DSP)
#include "gemm_tile_armv7em.h"
#else
#include "gemm_tile_portable.h"
#endif

#endif
