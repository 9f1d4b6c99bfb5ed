/* A matrix product for one pixel: one row of int8 inputs times four output channels at a time.
 *
 * x: the inputs, word aligned, read in whole words; weights of missing taps are 0.
 * stream: for every four output channels four biases, then per group of four taps one word of each channel's weights,
 *   then the multiplier and the packed scale of each, unless all channels share them. Missing channels of the last
 *   four are 0 and not stored.
 * Arithmetic as in gemm_tile.h. */
#ifndef TM_GEMM_QUAD_H
#define TM_GEMM_QUAD_H

#include <stdint.h>

#include "attributes.h"

/* The assembly reads the members in this order. */
typedef struct {
    const int8_t *x;
    int8_t *y;
    int8_t *y_end;
    const int32_t *stream;
    int32_t rounds;  /* rounds of 8 groups, of 2 for the short functions, less one */
    int32_t skipped; /* groups left out of the first round */
    int32_t multiplier, packed_scale; /* of all channels, for tm_gemm_quads_tensor */
} tm_gemm_quad;

#if defined(__ARM_FEATURE_DSP)
#include "gemm_quad_armv7em.h"
#else
#include "gemm_quad_portable.h"
#endif

TM_INLINE tm_gemm_quad tm_gemm_quad_of(const int32_t *stream, int32_t taps, const int is_short)
{
    const int32_t unroll = is_short ? 2 : 8;
    const int32_t groups = (taps + 3) / 4;
    const int32_t rounds = (groups + unroll - 1) / unroll;
    tm_gemm_quad quad;
    quad.multiplier = 0;
    quad.packed_scale = 0;
    quad.stream = stream;
    quad.rounds = rounds - 1;
    quad.skipped = rounds * unroll - groups;
    return quad;
}

/* y[0 .. outputs) from one row of inputs. `negative_fix`, `tensor` and `is_short` are constants. */
TM_INLINE void tm_gemm_quad_run(tm_gemm_quad *quad, const int8_t *x, int8_t *y, int32_t outputs, const int negative_fix,
                                const int tensor, const int is_short)
{
    quad->x = x;
    quad->y = y;
    quad->y_end = y + outputs;
    if (tensor) {
        is_short ? tm_gemm_quads_tensor_short(quad) : tm_gemm_quads_tensor(quad);
    } else if (negative_fix) {
        is_short ? tm_gemm_quads_signed_short(quad) : tm_gemm_quads_signed(quad);
    } else {
        is_short ? tm_gemm_quads_short(quad) : tm_gemm_quads(quad);
    }
}

#endif
