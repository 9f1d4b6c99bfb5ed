/* LiteRT's softmax in gemmlowp's fixed point: the C twin of softmax.py and gemmlowp.py.
 *
 * x [rows][classes] int8, y [rows][classes] int8 with scale 1/256 and zero point -128. The distance from the largest
 * value, times `multiplier` and 2**shift, is in Q5.26; distances beyond `most` count as nothing. y may equal x. */
#ifndef TM_SOFTMAX_GEMMLOWP_S8_H
#define TM_SOFTMAX_GEMMLOWP_S8_H

#include <stdint.h>

#include "attributes.h"

/* Rounding doubling high product; the operands are never both INT32_MIN. */
static inline int32_t tm_high_product(int32_t a, int32_t b)
{
    return (int32_t)(((int64_t)a * b + ((int64_t)1 << 30)) >> 31);
}

/* value / 2**bits, halves away from zero; bits > 0, value > INT32_MIN. */
static inline int32_t tm_rounding_shift(int32_t value, int32_t bits)
{
    return (((value + (value >> 31)) >> (bits - 1)) + 1) >> 1;
}

/* exp of a value <= 0 in Q5.26, as Q31: the Taylor series around -1/8 within a quarter, then a factor for every bit. */
TM_INLINE int32_t tm_exp_on_negative_value(int32_t value)
{
    static const int32_t factors[7] = {1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242};
    if (value == 0) {
        return INT32_MAX;
    }
    const int32_t in_quarter = (value & 0xFFFFFF) - 0x1000000;
    const int32_t x = in_quarter * 32 + (1 << 28);
    const int32_t square = tm_high_product(x, x);
    const int32_t cube = tm_high_product(square, x);
    const int32_t fourth = tm_rounding_shift(tm_high_product(square, square), 2);
    const int32_t series = tm_rounding_shift(tm_high_product(fourth + cube, 715827883) + square, 1);
    int32_t result = 1895147668 + tm_high_product(x + series, 1895147668);
    int32_t remainder = (in_quarter - value) >> 24;
    for (const int32_t *factor = factors; remainder != 0; remainder >>= 1, factor++) {
        if ((remainder & 1) != 0) {
            result = tm_high_product(result, *factor);
        }
    }
    return result;
}

/* 1 / (1 + fraction) in Q31 for a fraction in Q31, by three steps of Newton's method. */
static inline int32_t tm_reciprocal(int32_t fraction)
{
    const int32_t half = (int32_t)(((int64_t)fraction + INT32_MAX + 1) >> 1);
    int32_t x = 1515870810 + tm_high_product(half, -1010580540);
    for (int step = 0; step < 3; step++) {
        x += tm_high_product(x, (1 << 29) - tm_high_product(half, x)) * 4;
    }
    return x > INT32_MAX / 2 ? INT32_MAX : x * 2;
}

TM_INLINE void tm_softmax_gemmlowp_s8(
    const int8_t *x, int8_t *y, int32_t rows, int32_t classes, int32_t multiplier, int32_t shift, int32_t most)
{
    for (; rows > 0; rows--) {
        int32_t largest = x[0];
        for (int32_t i = 1; i < classes; i++) {
            largest = x[i] > largest ? x[i] : largest;
        }
        int32_t sum = 0;
        int32_t factor = 0;
        int32_t bits = 0;
        for (int pass = 0; pass < 2; pass++) {
            for (int32_t i = 0; i < classes; i++) {
                const int32_t distance = largest - x[i];
                int32_t weight = 0;
                if (distance <= most) {
                    weight = tm_exp_on_negative_value(tm_high_product(-distance * ((int32_t)1 << shift), multiplier));
                }
                if (pass == 0) {
                    sum += tm_rounding_shift(weight, 12);
                } else {
                    const int32_t share = tm_rounding_shift(tm_high_product(weight, factor), bits);
                    y[i] = (int8_t)((share > 255 ? 255 : share) - 128);
                }
            }
            const int32_t headroom = __builtin_clz((uint32_t)sum);
            factor = tm_reciprocal((int32_t)(((uint32_t)sum << headroom) & 0x7FFFFFFFU));
            bits = 12 - headroom + 23;
        }
        x += classes;
        y += classes;
    }
}

#endif
