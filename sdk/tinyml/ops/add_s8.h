/* Elementwise addition of two int8 tensors of one shape: the C twin of add.py.
 *
 * y = zero_point + ((a - a_zero) * a_multiplier + (b - b_zero) * b_multiplier, rounded, >> shift), clamped.
 * The multipliers are below 2**21, so the sum fits int32. y may start at or before a and b. */
#ifndef TM_ADD_S8_H
#define TM_ADD_S8_H

#include "attributes.h"
#include "requantize.h"
#include "window.h"

typedef struct {
    int32_t a_zero, a_multiplier;
    int32_t b_zero, b_multiplier;
    int32_t shift; /* at least 1 */
} tm_add_scales;

TM_INLINE void tm_add_s8(
    const int8_t *a, const int8_t *b, int8_t *y, int32_t elements, const tm_add_scales *s, const tm_output *out)
{
    const int32_t half = (int32_t)1 << (s->shift - 1);
    const int32_t offset = half - s->a_zero * s->a_multiplier - s->b_zero * s->b_multiplier;
    for (int32_t i = 0; i < elements; i++) {
        const int32_t sum = offset + a[i] * s->a_multiplier + b[i] * s->b_multiplier;
        y[i] = tm_clamp_s8((sum >> s->shift) + out->zero_point, out->low, out->high);
    }
}

#endif
