/* Elementwise product of two int8 tensors: the C twin of mul.py.
 *
 * TM_PRODUCT_SCALED and TM_PRODUCT_SIGNED requantise as requantize_scaled.py does: `offset` carries the roundings and
 * the zero point; SIGNED also sends negative halves away from zero. The other kinds are roundings of requantize.h,
 * where `offset` is the zero point. y may start at or before every operand that has the output's size. */
#ifndef TM_MUL_S8_H
#define TM_MUL_S8_H

#include "attributes.h"
#include "pairing.h"
#include "requantize.h"
#include "simd.h"

#define TM_PRODUCT_SCALED 8
#define TM_PRODUCT_SIGNED 9
#define TM_PRODUCT_BITS 14

typedef struct {
    int32_t multiplier, offset;
    int8_t a_zero, b_zero;
    int8_t shift, low, high;
} tm_product;

TM_INLINE int8_t tm_product_of(int32_t product, const tm_product *p, int kind, int clamped)
{
    int32_t value;
    if (kind == TM_PRODUCT_SCALED || kind == TM_PRODUCT_SIGNED) {
        const int32_t scaled = product * (1 << TM_PRODUCT_BITS);
        value = tm_smmla(scaled, p->multiplier, p->offset);
        if (kind == TM_PRODUCT_SIGNED) {
            value += (scaled >> 31) * (1 << (TM_PRODUCT_BITS - 1));
        }
        value >>= p->shift;
    } else {
        value = tm_requantize(product, p->multiplier, p->shift, kind) + p->offset;
    }
    return clamped ? tm_clamp_s8(value, p->low, p->high) : tm_saturate_s8(value);
}

/* `kind` and `clamped` are constants wherever this is inlined. Returns the end of y. */
TM_INLINE int8_t *tm_mul_s8(
    const int8_t *a, const int8_t *b, int8_t *y, int32_t elements, int32_t a_step, int32_t b_step,
    const tm_product *product, int kind, int clamped)
{
    const tm_product p = *product;
    for (; elements > 0; elements--) {
        *y++ = tm_product_of((*a - p.a_zero) * (*b - p.b_zero), &p, kind, clamped);
        a += a_step;
        b += b_step;
    }
    return y;
}

TM_INLINE void tm_mul_s8_broadcast(
    const int8_t *a, const int8_t *b, int8_t *y, const tm_pairing *p, const tm_product *m, int kind, int clamped)
{
    for (int32_t i = 0; i < p->sizes[0]; i++) {
        for (int32_t j = 0; j < p->sizes[1]; j++) {
            y = tm_mul_s8(
                a + j * p->a_steps[1], b + j * p->b_steps[1], y, p->sizes[2], p->a_steps[2], p->b_steps[2], m, kind,
                clamped);
        }
        a += p->a_steps[0];
        b += p->b_steps[0];
    }
}

#endif
