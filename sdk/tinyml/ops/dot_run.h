/* Sums of products over neighbouring bytes, for the kernels that take any weights and any geometry.
 *
 * Cores with SIMD pairs take four at a time, words of any alignment; others four a step in plain C. */
#ifndef TM_DOT_RUN_H
#define TM_DOT_RUN_H

#include <stdint.h>

#include "attributes.h"
#if defined(__ARM_FEATURE_DSP)
#include "simd.h"
#endif

/* acc + the sum over `count` bytes of (x[i] - zero_point) * weights[i]; none for a count below 1. */
TM_INLINE int32_t tm_dot_run(const int8_t *x, const int8_t *weights, int32_t count, int32_t zero_point, int32_t acc)
{
#if defined(__ARM_FEATURE_DSP)
    const uint32_t minus = (uint32_t)-zero_point & 0xFFFFU;
    const uint32_t centre = minus | (minus << 16);
    for (; count >= 4; count -= 4, x += 4, weights += 4) {
        const uint32_t cells = tm_load_word(x);
        const uint32_t taps = tm_load_word(weights);
        acc = tm_smlad(tm_sxtab16(centre, cells), tm_sxtb16(taps), acc);
        acc = tm_smlad(tm_sxtab16_ror8(centre, cells), tm_sxtb16_ror8(taps), acc);
    }
#else
    for (; count >= 4; count -= 4, x += 4, weights += 4) {
        acc += (x[0] - zero_point) * weights[0];
        acc += (x[1] - zero_point) * weights[1];
        acc += (x[2] - zero_point) * weights[2];
        acc += (x[3] - zero_point) * weights[3];
    }
#endif
    for (; count > 0; count--) {
        acc += (*x++ - zero_point) * *weights++;
    }
    return acc;
}

#endif
