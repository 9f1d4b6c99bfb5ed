/* int8 fully connected layer for cores with SIMD pairs, over the stream of gemm_quad.h. Twin of fully_connected.py.
 *
 * x is read in whole words and must not overlap y. */
#ifndef TM_FULLY_CONNECTED_S8_DSP_H
#define TM_FULLY_CONNECTED_S8_DSP_H

#include "attributes.h"
#include "clamp.h"
#include "gemm_quad.h"

typedef struct {
    const int32_t *stream;
    int32_t multiplier, packed_scale; /* of all channels; 0 where each has its own in the stream */
    int16_t inputs, outputs;
    int8_t low, high;
} tm_fully_connected;

/* Constants: `tensor` where all channels have one scale, `is_short` for small layers, `negative_fix` (never with `tensor`), and `clamped` where the activation range is not what saturation gives. */
TM_INLINE void tm_fully_connected_s8_dsp(const tm_fully_connected *p, const int8_t *x, int8_t *y,
                                         const int tensor, const int is_short, const int negative_fix,
                                         const int clamped)
{
    tm_gemm_quad quad = tm_gemm_quad_of(p->stream, p->inputs, is_short);
    quad.multiplier = p->multiplier;
    quad.packed_scale = p->packed_scale;
    tm_gemm_quad_run(&quad, x, y, p->outputs, negative_fix, tensor, is_short);
    if (clamped) {
        tm_clamp_bytes(y, p->outputs, p->low, p->high);
    }
}

#endif
