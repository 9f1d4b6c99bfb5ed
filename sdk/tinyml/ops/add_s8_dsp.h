/* Elementwise sum of two int8 tensors of one shape for cores with SIMD: the C twin of litert_sum.py, HalvesSum.
 *
 * Four elements at a time: bytes are moved to the upper half of half words, where SMLAWB and SMLAWT multiply them by
 * factors of 32 bits; one SSAT shifts and saturates. y may start at or before a and b. */
#ifndef TM_ADD_S8_DSP_H
#define TM_ADD_S8_DSP_H

#include "attributes.h"
#include "requantize.h"
#include "simd.h"

typedef struct {
    int32_t a_factor, b_factor, early;
    int8_t low, high;
} tm_halves_sum;

TM_INLINE int8_t tm_finish_halves(int32_t sum, const tm_halves_sum *s, int clamped)
{
    const int32_t value = tm_saturate_s8_asr21(sum);
    return clamped ? tm_clamp_s8(value, s->low, s->high) : (int8_t)value;
}

/* `clamped` is a constant wherever this is inlined. */
TM_INLINE void tm_add_s8_dsp(
    const int8_t *a, const int8_t *b, int8_t *y, int32_t elements, const tm_halves_sum *scales, int clamped)
{
    const tm_halves_sum s = *scales;
    for (; elements >= 4; elements -= 4) {
        const uint32_t a_word = tm_load_word(a);
        const uint32_t b_word = tm_load_word(b);
        const uint32_t a_even = (a_word << 8) & 0xFF00FF00U;
        const uint32_t b_even = (b_word << 8) & 0xFF00FF00U;
        const uint32_t a_odd = a_word & 0xFF00FF00U;
        const uint32_t b_odd = b_word & 0xFF00FF00U;
        y[0] = tm_finish_halves(tm_smlawb(s.b_factor, b_even, tm_smlawb(s.a_factor, a_even, s.early)), &s, clamped);
        y[1] = tm_finish_halves(tm_smlawb(s.b_factor, b_odd, tm_smlawb(s.a_factor, a_odd, s.early)), &s, clamped);
        y[2] = tm_finish_halves(tm_smlawt(s.b_factor, b_even, tm_smlawt(s.a_factor, a_even, s.early)), &s, clamped);
        y[3] = tm_finish_halves(tm_smlawt(s.b_factor, b_odd, tm_smlawt(s.a_factor, a_odd, s.early)), &s, clamped);
        a += 4;
        b += 4;
        y += 4;
    }
    for (; elements > 0; elements--) {
        const uint32_t a_half = (uint32_t)(*a++ * 256);
        const uint32_t b_half = (uint32_t)(*b++ * 256);
        *y++ = tm_finish_halves(tm_smlawb(s.b_factor, b_half, tm_smlawb(s.a_factor, a_half, s.early)), &s, clamped);
    }
}

#endif
