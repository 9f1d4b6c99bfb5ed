/* LiteRT's softmax, whose float32 sums and products are computed in integers: the C twin of softmax.py.
 *
 * x [rows][classes] int8, y [rows][classes] int8 with scale 1/256 and zero point -128. `table[d]` holds the bits of the
 * float32 exp(-d * scale), all of them normal and at most 1; distances from the maximum beyond the table count as 0.
 * Every step rounds to nearest, halves to even, as the float instructions do. y may equal x. */
#ifndef TM_SOFTMAX_FLOAT32_S8_H
#define TM_SOFTMAX_FLOAT32_S8_H

#include <stdint.h>

#include "attributes.h"

/* value / 2**shift rounded to nearest, halves to even; 0 < shift < 63. */
static inline uint32_t tm_round_even(uint64_t value, uint32_t shift)
{
    const uint32_t whole = (uint32_t)(value >> shift);
    return (uint32_t)((value + ((uint64_t)1 << (shift - 1)) - 1U + (whole & 1U)) >> shift);
}

/* The bits of a + b for positive normal numbers, or zero. */
static inline uint32_t tm_float_add(uint32_t a, uint32_t b)
{
    const uint32_t large = a > b ? a : b;
    const uint32_t small = a > b ? b : a;
    const uint32_t distance = (large >> 23) - (small >> 23);
    if (small == 0U || distance > 25U) {
        return large; /* less than half of the last place */
    }
    const uint64_t mantissa = (uint64_t)((large & 0x7FFFFFU) | 0x800000U) << 25;
    const uint64_t sum = mantissa + ((uint64_t)((small & 0x7FFFFFU) | 0x800000U) << (25U - distance));
    const uint32_t carry = (uint32_t)(sum >> 49);
    return (((large >> 23) + carry - 1U) << 23) + tm_round_even(sum, 25U + carry);
}

/* 2**47 / mantissa for a mantissa of 24 bits that is not 2**23, rounded to 24 bits. */
static inline uint32_t tm_float_reciprocal(uint32_t mantissa)
{
    uint32_t rest = (uint32_t)1 << 23;
    uint32_t quotient = 0;
    for (int bit = 0; bit < 24; bit++) {
        rest <<= 1;
        quotient <<= 1;
        if (rest >= mantissa) {
            rest -= mantissa;
            quotient |= 1U;
        }
    }
    return quotient + (2U * rest > mantissa ? 1U : 0U);
}

TM_INLINE void tm_softmax_float32_s8(
    const int8_t *x, int8_t *y, int32_t rows, int32_t classes, const uint32_t *table, int32_t table_length)
{
    for (int32_t r = 0; r < rows; r++) {
        int32_t largest = x[0];
        for (int32_t i = 1; i < classes; i++) {
            largest = x[i] > largest ? x[i] : largest;
        }
        uint32_t sum = 0;
        for (int32_t i = 0; i < classes; i++) {
            const int32_t distance = largest - x[i];
            sum = tm_float_add(sum, distance < table_length ? table[distance] : 0U);
        }
        /* 256 / sum = factor * 2**(111 + power - exponent of sum) with a factor of 24 bits */
        const uint32_t mantissa = (sum & 0x7FFFFFU) | 0x800000U;
        const uint32_t power = mantissa == 0x800000U ? 1U : 0U;
        const uint32_t factor = power ? 0x800000U : tm_float_reciprocal(mantissa);
        for (int32_t i = 0; i < classes; i++) {
            const int32_t distance = largest - x[i];
            uint32_t share = 0;
            if (distance < table_length) {
                const uint64_t product = (uint64_t)((table[distance] & 0x7FFFFFU) | 0x800000U) * factor;
                const uint32_t carry = (uint32_t)(product >> 47);
                const uint32_t scaled = tm_round_even(product, 23U + carry);
                const uint32_t shift = 16U + (sum >> 23) - (table[distance] >> 23) - carry - power;
                share = shift > 25U ? 0U : (scaled + ((uint32_t)1 << (shift - 1U))) >> shift;
            }
            y[i] = (int8_t)((int32_t)(share > 255U ? 255U : share) - 128);
        }
        x += classes;
        y += classes;
    }
}

#endif
