/* Expansion of int8 activations for the matrix-product kernels: a word of four taps x0 .. x3 becomes
 *   low:  the pairs x0 + 128, x2 + 128
 *   both: the pairs -(256 * x1 + x0 + 129), -(256 * x3 + x2 + 129)
 * gemm_packing.py explains why. */
#ifndef TM_GEMM_EXPAND_H
#define TM_GEMM_EXPAND_H

#include "attributes.h"
#include "simd.h"

TM_INLINE void tm_gemm_expand_word(uint32_t word, uint32_t *low, uint32_t *both)
{
    const uint32_t flipped = word ^ 0x00800080U;
    *low = tm_uxtb16(flipped);
    *both = ~flipped;
}

/* `taps` int8 values to one of the three columns of gemm_tile.h; what the last group lacks counts as 0. */
TM_INLINE uint32_t *tm_gemm_expand(const int8_t *x, int32_t taps, uint32_t *column)
{
    for (; taps >= 4; taps -= 4) {
        tm_gemm_expand_word(tm_load_word(x), &column[0], &column[3]);
        x += 4;
        column += 6;
    }
    if (taps > 0) {
        uint32_t word = (uint8_t)x[0];
        word |= taps > 1 ? (uint32_t)(uint8_t)x[1] << 8 : 0U;
        word |= taps > 2 ? (uint32_t)(uint8_t)x[2] << 16 : 0U;
        tm_gemm_expand_word(word, &column[0], &column[3]);
        column += 6;
    }
    return column;
}

/* Three pixels to columns together: `taps` int8 values from each of three places. */
TM_INLINE uint32_t *tm_gemm_expand3(const int8_t *x, const int8_t *second, const int8_t *third, int32_t taps,
                                    uint32_t *columns)
{
    int32_t left = taps;
    for (; left >= 4; left -= 4) {
        const uint32_t a = tm_load_word(x) ^ 0x00800080U;
        const uint32_t b = tm_load_word(second) ^ 0x00800080U;
        const uint32_t c = tm_load_word(third) ^ 0x00800080U;
        x += 4;
        second += 4;
        third += 4;
        columns[0] = tm_uxtb16(a);
        columns[1] = tm_uxtb16(b);
        columns[2] = tm_uxtb16(c);
        columns[3] = ~a;
        columns[4] = ~b;
        columns[5] = ~c;
        columns += 6;
    }
    if (left > 0) {
        (void)tm_gemm_expand(x, left, columns);
        (void)tm_gemm_expand(second, left, columns + 1);
        columns = tm_gemm_expand(third, left, columns + 2) - 2;
    }
    return columns;
}

#endif
