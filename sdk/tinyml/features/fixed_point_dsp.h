/* Armv7E-M and Armv8-M DSP: one cycle each. Included by fixed_point.h, which holds the portable twin. */
#ifndef TM_FIXED_POINT_DSP_H
#define TM_FIXED_POINT_DSP_H

#include <stdint.h>

static inline int32_t tm_mul_high(int32_t a, int32_t b)
{
    int32_t result;
    __asm__("smmulr %0, %1, %2" : "=r"(result) : "r"(a), "r"(b));
    return result;
}

static inline int32_t tm_mul_high_add(int32_t acc, int32_t a, int32_t b)
{
    int32_t result;
    __asm__("smmlar %0, %1, %2, %3" : "=r"(result) : "r"(a), "r"(b), "r"(acc));
    return result;
}

static inline int32_t tm_mul_high_sub(int32_t acc, int32_t a, int32_t b)
{
    int32_t result;
    __asm__("smmlsr %0, %1, %2, %3" : "=r"(result) : "r"(a), "r"(b), "r"(acc));
    return result;
}

#endif
