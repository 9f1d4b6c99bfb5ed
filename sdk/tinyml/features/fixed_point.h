/* Fixed-point multiplies, portable C. The Armv7E-M twin of the same functions is fixed_point_dsp.h. */
#ifndef TM_FIXED_POINT_H
#define TM_FIXED_POINT_H

#include <stdint.h>

#if defined(__ARM_FEATURE_DSP) && defined(__thumb2__)
#include "fixed_point_dsp.h"
#else

/* floor(a * b / 2^32) */
static inline int32_t tm_mul_high(int32_t a, int32_t b)
{
    return (int32_t)(((int64_t)a * b) >> 32);
}

/* acc + floor(a * b / 2^32) */
static inline int32_t tm_mul_high_add(int32_t acc, int32_t a, int32_t b)
{
    return acc + (int32_t)(((int64_t)a * b) >> 32);
}

/* acc + floor(-a * b / 2^32) */
static inline int32_t tm_mul_high_sub(int32_t acc, int32_t a, int32_t b)
{
    return (int32_t)((((int64_t)acc * 4294967296LL) - (int64_t)a * b) >> 32);
}

#endif

/* Products of the signed 16-bit halves of two words. */
static inline int32_t tm_mul_low_halves(uint32_t a, uint32_t b)
{
    return (int32_t)(int16_t)(a & 0xFFFFu) * (int16_t)(b & 0xFFFFu);
}

static inline int32_t tm_mul_high_halves(uint32_t a, uint32_t b)
{
    return (int32_t)(int16_t)(a >> 16) * (int16_t)(b >> 16);
}

#endif
