/* simd.h in plain C: the twin of simd_armv7em.h. */
#ifndef TM_SIMD_PORTABLE_H
#define TM_SIMD_PORTABLE_H

#include <stdint.h>

static inline int32_t tm_bottom(uint32_t a)
{
    return (int16_t)(a & 0xFFFFU);
}

static inline int32_t tm_top(uint32_t a)
{
    return (int16_t)(a >> 16);
}

static inline int32_t tm_smlad(uint32_t a, uint32_t b, int32_t acc)
{
    return acc + tm_bottom(a) * tm_bottom(b) + tm_top(a) * tm_top(b);
}

static inline int32_t tm_smlabb(uint32_t a, uint32_t b, int32_t acc)
{
    return acc + tm_bottom(a) * tm_bottom(b);
}

static inline uint32_t tm_sxtb16(uint32_t a)
{
    return ((uint32_t)(int32_t)(int8_t)(a & 0xFFU) & 0xFFFFU) | ((uint32_t)(int32_t)(int8_t)((a >> 16) & 0xFFU) << 16);
}

static inline uint32_t tm_sxtb16_ror8(uint32_t a)
{
    return tm_sxtb16((a >> 8) | (a << 24));
}

static inline uint32_t tm_sxtab16(uint32_t acc, uint32_t a)
{
    const uint32_t extended = tm_sxtb16(a);
    return ((acc + extended) & 0xFFFFU) | ((acc & 0xFFFF0000U) + (extended & 0xFFFF0000U));
}

static inline uint32_t tm_sxtab16_ror8(uint32_t acc, uint32_t a)
{
    return tm_sxtab16(acc, (a >> 8) | (a << 24));
}

static inline uint32_t tm_pack_bottoms(uint32_t bottom, uint32_t top)
{
    return (bottom & 0xFFFFU) | (top << 16);
}

static inline uint32_t tm_pack_tops(uint32_t bottom, uint32_t top)
{
    return (bottom >> 16) | (top & 0xFFFF0000U);
}

static inline uint32_t tm_pack_bottom_top(uint32_t bottom, uint32_t top)
{
    return (bottom & 0xFFFFU) | (top & 0xFFFF0000U);
}

static inline int32_t tm_smlawb(int32_t a, uint32_t b, int32_t base)
{
    return base + (int32_t)(((int64_t)a * (int32_t)(b << 16)) >> 32);
}

static inline int32_t tm_smlawt(int32_t a, uint32_t b, int32_t base)
{
    return base + (int32_t)(((int64_t)a * (int32_t)(b & 0xFFFF0000U)) >> 32);
}

static inline uint32_t tm_max_bytes(uint32_t a, uint32_t b)
{
    uint32_t result = 0;
    for (int shift = 0; shift < 32; shift += 8) {
        const int8_t first = (int8_t)((a >> shift) & 0xFFU);
        const int8_t second = (int8_t)((b >> shift) & 0xFFU);
        result |= (uint32_t)(uint8_t)(first > second ? first : second) << shift;
    }
    return result;
}

static inline int32_t tm_smmla(int32_t a, int32_t b, int32_t base)
{
    return base + (int32_t)(((int64_t)a * b) >> 32);
}

static inline int8_t tm_saturate_s8(int32_t value)
{
    return (int8_t)(value < -128 ? -128 : (value > 127 ? 127 : value));
}

static inline int32_t tm_saturate_s8_asr21(int32_t value)
{
    return tm_saturate_s8(value >> 21);
}

#endif
