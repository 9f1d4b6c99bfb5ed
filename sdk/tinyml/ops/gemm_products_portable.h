/* What the matrix-product kernels do with one group of taps and with a finished accumulator, in plain C. */
#ifndef TM_GEMM_PRODUCTS_PORTABLE_H
#define TM_GEMM_PRODUCTS_PORTABLE_H

#include <stdint.h>

#include "simd.h"

/* 256 times the four products of a group, added to acc; sums wrap at 32 bits as the SIMD instructions do. */
static inline uint32_t tm_gemm_products(uint32_t low, uint32_t both, uint32_t weights, uint32_t acc)
{
    const int32_t first = tm_bottom(low) * tm_bottom(weights);
    const int32_t second = tm_top(low) * tm_top(weights);
    const uint32_t bytes = tm_sxtb16(weights);
    const int32_t third = tm_bottom(both) * tm_bottom(bytes);
    const int32_t fourth = tm_top(both) * tm_top(bytes);
    return acc + (uint32_t)first + (uint32_t)second + (uint32_t)third + (uint32_t)fourth;
}

/* `scale` is multiplier and packed scale. */
static inline int8_t tm_gemm_output(int32_t acc, const int32_t *scale, int negative_fix)
{
    const int32_t right = scale[1] & 31;
    int32_t total = tm_smmla(acc, scale[0], scale[1] - right);
    if (negative_fix != 0 && acc < 0 && right > 7) {
        total -= 128;
    }
    return tm_saturate_s8(total >> right);
}

#endif
