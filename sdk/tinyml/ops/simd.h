/* Operations on pairs of int16 in one word, for the core that this is compiled for; the names follow the
 * Armv7E-M instructions. Words are little endian: the bottom half is the value at the lower address. */
#ifndef TM_SIMD_H
#define TM_SIMD_H

#include <stdint.h>

/* The word at an address of any alignment. */
static inline uint32_t tm_load_word(const void *p)
{
    uint32_t value;
    __builtin_memcpy(&value, p, sizeof value);
    return value;
}

static inline void tm_store_word(void *p, uint32_t value)
{
    __builtin_memcpy(p, &value, sizeof value);
}

#if defined(__ARM_FEATURE_DSP)
#include "simd_armv7em.h"
#else
#include "simd_portable.h"
#endif

#endif
