/* Requantisation of int32 accumulators: the C twin of requantize.py, one function per rounding.
 *
 * All return the scaled integer before the zero point is added. Left shifts saturate at int32.
 * Right shifts of negative numbers are arithmetic (all supported compilers). */
#ifndef TM_REQUANTIZE_H
#define TM_REQUANTIZE_H

#include <stdint.h>

#define TM_ROUND_HIGH 0
#define TM_ROUND_DOUBLE 1
#define TM_ROUND_SINGLE 2
#define TM_ROUND_DOUBLE_RIGHT 3 /* TM_ROUND_DOUBLE for shifts below 0, in less code */

static inline int32_t tm_saturating_shift_left(int32_t value, int32_t shift)
{
    int64_t wide = (int64_t)value * ((int64_t)1 << shift);
    return wide > INT32_MAX ? INT32_MAX : (wide < INT32_MIN ? INT32_MIN : (int32_t)wide);
}

static inline int32_t tm_requantize_high(int32_t acc, int32_t multiplier, int32_t shift)
{
    int64_t product = (int64_t)tm_saturating_shift_left(acc, shift) * multiplier;
    return (int32_t)((product + ((int64_t)1 << 31)) >> 32);
}

static inline int32_t tm_requantize_double_right(int32_t acc, int32_t multiplier, int32_t shift)
{
    /* gemmlowp nudges by the sign and divides towards zero, which is to round halves up. */
    const int32_t high = (int32_t)(((int64_t)acc * multiplier + ((int64_t)1 << 30)) >> 31);
    /* Halves away from zero; nested so that nothing overflows. */
    return (((high + (high >> 31)) >> (-shift - 1)) + 1) >> 1;
}

static inline int32_t tm_requantize_double(int32_t acc, int32_t multiplier, int32_t shift)
{
    if (shift < 0) {
        return tm_requantize_double_right(acc, multiplier, shift);
    }
    const int32_t shifted = tm_saturating_shift_left(acc, shift);
    return (int32_t)(((int64_t)shifted * multiplier + ((int64_t)1 << 30)) >> 31);
}

static inline int32_t tm_requantize_single(int32_t acc, int32_t multiplier, int32_t shift)
{
    int32_t total = 31 - shift;
    return (int32_t)(((int64_t)acc * multiplier + ((int64_t)1 << (total - 1))) >> total);
}

/* `rounding` is a constant wherever this is inlined. */
static inline int32_t tm_requantize(int32_t acc, int32_t multiplier, int32_t shift, int rounding)
{
    if (rounding == TM_ROUND_HIGH) {
        return tm_requantize_high(acc, multiplier, shift);
    }
    if (rounding == TM_ROUND_DOUBLE_RIGHT) {
        return tm_requantize_double_right(acc, multiplier, shift);
    }
    if (rounding == TM_ROUND_DOUBLE) {
        return tm_requantize_double(acc, multiplier, shift);
    }
    return tm_requantize_single(acc, multiplier, shift);
}

static inline int8_t tm_clamp_s8(int32_t value, int32_t low, int32_t high)
{
    return (int8_t)(value < low ? low : (value > high ? high : value));
}

#endif
