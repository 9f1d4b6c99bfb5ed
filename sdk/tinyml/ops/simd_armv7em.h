/* simd.h for Armv7E-M and Armv8-M with DSP. Source: Armv7-M Architecture Reference Manual, A7.7. */
#ifndef TM_SIMD_ARMV7EM_H
#define TM_SIMD_ARMV7EM_H

#include <arm_acle.h>
#include <stdint.h>

/* acc + bottom(a) * bottom(b) + top(a) * top(b) */
static inline int32_t tm_smlad(uint32_t a, uint32_t b, int32_t acc)
{
    return __smlad((int16x2_t)a, (int16x2_t)b, acc);
}

/* acc + bottom(a) * bottom(b) */
static inline int32_t tm_smlabb(uint32_t a, uint32_t b, int32_t acc)
{
    return __smlabb((int32_t)a, (int32_t)b, acc);
}

/* Bytes 0 and 2, sign extended, as a pair. */
static inline uint32_t tm_sxtb16(uint32_t a)
{
    uint32_t result;
    __asm__("sxtb16 %0, %1" : "=r"(result) : "r"(a));
    return result;
}

/* Bytes 1 and 3, sign extended, as a pair. */
static inline uint32_t tm_sxtb16_ror8(uint32_t a)
{
    uint32_t result;
    __asm__("sxtb16 %0, %1, ror #8" : "=r"(result) : "r"(a));
    return result;
}

/* Both halves of acc plus bytes 0 and 2 of a, sign extended; halves wrap. */
static inline uint32_t tm_sxtab16(uint32_t acc, uint32_t a)
{
    uint32_t result;
    __asm__("sxtab16 %0, %1, %2" : "=r"(result) : "r"(acc), "r"(a));
    return result;
}

/* Both halves of acc plus bytes 1 and 3 of a, sign extended; halves wrap. */
static inline uint32_t tm_sxtab16_ror8(uint32_t acc, uint32_t a)
{
    uint32_t result;
    __asm__("sxtab16 %0, %1, %2, ror #8" : "=r"(result) : "r"(acc), "r"(a));
    return result;
}

/* The pair (bottom of `bottom`, bottom of `top`). */
static inline uint32_t tm_pack_bottoms(uint32_t bottom, uint32_t top)
{
    uint32_t result;
    __asm__("pkhbt %0, %1, %2, lsl #16" : "=r"(result) : "r"(bottom), "r"(top));
    return result;
}

/* The pair (top of `bottom`, top of `top`). */
static inline uint32_t tm_pack_tops(uint32_t bottom, uint32_t top)
{
    uint32_t result;
    __asm__("pkhtb %0, %2, %1, asr #16" : "=r"(result) : "r"(bottom), "r"(top));
    return result;
}

/* The pair (bottom of `bottom`, top of `top`). */
static inline uint32_t tm_pack_bottom_top(uint32_t bottom, uint32_t top)
{
    uint32_t result;
    __asm__("pkhtb %0, %2, %1" : "=r"(result) : "r"(bottom), "r"(top));
    return result;
}

/* base + a * bottom(b) / 2**16, rounded down. */
static inline int32_t tm_smlawb(int32_t a, uint32_t b, int32_t base)
{
    int32_t result;
    __asm__("smlawb %0, %1, %2, %3" : "=r"(result) : "r"(a), "r"(b), "r"(base));
    return result;
}

/* base + a * top(b) / 2**16, rounded down. */
static inline int32_t tm_smlawt(int32_t a, uint32_t b, int32_t base)
{
    int32_t result;
    __asm__("smlawt %0, %1, %2, %3" : "=r"(result) : "r"(a), "r"(b), "r"(base));
    return result;
}

/* The larger of each pair of signed bytes; two instructions that have to stay together. */
static inline uint32_t tm_max_bytes(uint32_t a, uint32_t b)
{
    uint32_t result;
    __asm__("ssub8 %0, %1, %2\n\tsel %0, %1, %2" : "=&r"(result) : "r"(a), "r"(b));
    return result;
}

/* base + the high word of a * b, rounded down. */
static inline int32_t tm_smmla(int32_t a, int32_t b, int32_t base)
{
    int32_t result;
    __asm__("smmla %0, %1, %2, %3" : "=r"(result) : "r"(a), "r"(b), "r"(base));
    return result;
}

/* value / 2**21, rounded down and saturated. */
static inline int32_t tm_saturate_s8_asr21(int32_t value)
{
    int32_t result;
    __asm__("ssat %0, #8, %1, asr #21" : "=r"(result) : "r"(value));
    return result;
}

static inline int8_t tm_saturate_s8(int32_t value)
{
    int32_t result;
    __asm__("ssat %0, #8, %1" : "=r"(result) : "r"(value));
    return (int8_t)result;
}

#endif
