/* Elementwise sum of two int8 tensors: the C twin of add.py and litert_sum.py.
 *
 * TM_SUM_LINEAR  y = (a * a_factor + b * b_factor + early) >> shift, proved equal to LiteRT's for all pairs of bytes.
 * TM_SUM_TIES    the same with t + (t < 0 ? -1 : 0) + late before the shift: halves away from zero.
 * TM_SUM_DOUBLE  LiteRT's three roundings one by one: `early` is the multiplier of the sum, `late` the zero point.
 * y may start at or before every operand that has the output's size. */
#ifndef TM_ADD_S8_H
#define TM_ADD_S8_H

#include "attributes.h"
#include "pairing.h"
#include "requantize.h"
#include "simd.h"

#define TM_SUM_LINEAR 0
#define TM_SUM_TIES 1
#define TM_SUM_DOUBLE 2

typedef struct {
    int32_t a_factor, b_factor, early, late;
    int8_t shift, low, high;
    int8_t a_zero, b_zero, a_right, b_right; /* of TM_SUM_DOUBLE */
} tm_sum;

TM_INLINE int8_t tm_sum_of(int32_t a, int32_t b, const tm_sum *s, int kind, int clamped)
{
    int32_t sum;
    if (kind == TM_SUM_DOUBLE) {
        sum = tm_requantize_double((a - s->a_zero) * (1 << 20), s->a_factor, -s->a_right);
        sum += tm_requantize_double((b - s->b_zero) * (1 << 20), s->b_factor, -s->b_right);
        sum = tm_requantize_double(sum, s->early, -s->shift) + s->late;
    } else {
        sum = a * s->a_factor + (b * s->b_factor + s->early);
        if (kind == TM_SUM_TIES) {
            sum += (sum >> 31) + s->late;
        }
        sum >>= s->shift;
    }
    return clamped ? tm_clamp_s8(sum, s->low, s->high) : tm_saturate_s8(sum);
}

/* `kind` and `clamped` are constants wherever this is inlined. Returns the end of y. */
TM_INLINE int8_t *tm_add_s8(
    const int8_t *a, const int8_t *b, int8_t *y, int32_t elements, int32_t a_step, int32_t b_step, const tm_sum *s,
    int kind, int clamped)
{
    const tm_sum sum = *s;
    for (int32_t i = 0; i < elements; i++) {
        *y++ = tm_sum_of(*a, *b, &sum, kind, clamped);
        a += a_step;
        b += b_step;
    }
    return y;
}

TM_INLINE void tm_add_s8_broadcast(
    const int8_t *a, const int8_t *b, int8_t *y, const tm_pairing *p, const tm_sum *s, int kind, int clamped)
{
    for (int32_t i = 0; i < p->sizes[0]; i++) {
        for (int32_t j = 0; j < p->sizes[1]; j++) {
            y = tm_add_s8(
                a + j * p->a_steps[1], b + j * p->b_steps[1], y, p->sizes[2], p->a_steps[2], p->b_steps[2], s, kind,
                clamped);
        }
        a += p->a_steps[0];
        b += p->b_steps[0];
    }
}

#endif
