/* Fixed-point multiplies, portable C. Their twins for Armv7E-M are in fixed_point_dsp.h. */
#ifndef TM_FIXED_POINT_H
#define TM_FIXED_POINT_H

#include <stdint.h>

#if defined(__ARM_FEATURE_DSP) && defined(__thumb2__)
#include "fixed_point_dsp.h"
#else

#define TM_HALF 0x80000000LL

/* a * b / 2^32, rounded to nearest, halves up */
static inline int32_t tm_mul_high(int32_t a, int32_t b)
{
    return (int32_t)(((int64_t)a * b + TM_HALF) >> 32);
}

/* acc + a * b / 2^32, rounded once */
static inline int32_t tm_mul_high_add(int32_t acc, int32_t a, int32_t b)
{
    return (int32_t)(((int64_t)acc * 4294967296LL + (int64_t)a * b + TM_HALF) >> 32);
}

/* acc - a * b / 2^32, rounded once */
static inline int32_t tm_mul_high_sub(int32_t acc, int32_t a, int32_t b)
{
    return (int32_t)(((int64_t)acc * 4294967296LL - (int64_t)a * b + TM_HALF) >> 32);
}

#endif

#endif
