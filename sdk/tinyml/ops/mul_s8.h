/* Elementwise product of two int8 tensors: the C twin of mul.py.
 *
 * y may start at or before every operand that has the output's size. */
#ifndef TM_MUL_S8_H
#define TM_MUL_S8_H

#include "attributes.h"
#include "pairing.h"
#include "requantize.h"

typedef struct {
    int32_t multiplier;
    int8_t a_zero, b_zero, zero_point;
    int8_t shift, low, high;
} tm_product;

/* `rounding` is a constant wherever this is inlined. Returns the end of y. */
TM_INLINE int8_t *tm_mul_s8(
    const int8_t *a, const int8_t *b, int8_t *y, int32_t elements, int32_t a_step, int32_t b_step, const tm_product *p,
    int rounding)
{
    for (int32_t i = 0; i < elements; i++) {
        const int32_t product = (*a - p->a_zero) * (*b - p->b_zero);
        const int32_t value = tm_requantize(product, p->multiplier, p->shift, rounding) + p->zero_point;
        *y++ = tm_clamp_s8(value, p->low, p->high);
        a += a_step;
        b += b_step;
    }
    return y;
}

TM_INLINE void tm_mul_s8_broadcast(
    const int8_t *a, const int8_t *b, int8_t *y, const tm_pairing *p, const tm_product *m, int rounding)
{
    for (int32_t i = 0; i < p->sizes[0]; i++) {
        for (int32_t j = 0; j < p->sizes[1]; j++) {
            y = tm_mul_s8(
                a + j * p->a_steps[1], b + j * p->b_steps[1], y, p->sizes[2], p->a_steps[2], p->b_steps[2], m, rounding);
        }
        a += p->a_steps[0];
        b += p->b_steps[0];
    }
}

#endif
