/* int8 mean over the middle of [outer][count][inner]: the C twin of mean.py.
 *
 * y [outer][inner]. Either the mean of the raw integers, rounded half away from zero (TM_ROUND_HIGH), or the
 * sum plus `offset` (the zero points), requantised with two roundings or one. y may start at or before x. */
#ifndef TM_MEAN_S8_H
#define TM_MEAN_S8_H

#include "attributes.h"
#include "requantize.h"
#include "rounded_mean.h"

typedef struct {
    int32_t count, inner, outer;
    int32_t offset, multiplier;
    int8_t shift, zero_point;
} tm_mean;

/* `rounding` is a constant wherever this is inlined. */
TM_INLINE int8_t tm_mean_of(int32_t sum, const tm_mean *m, int rounding)
{
    if (rounding == TM_ROUND_HIGH) {
        return (int8_t)tm_rounded_mean(sum, m->count);
    }
    const int32_t value = tm_requantize(sum + m->offset, m->multiplier, m->shift, rounding);
    return tm_clamp_s8(value + m->zero_point, -128, 127);
}

/* The sum of one place of `inner`. */
TM_INLINE int32_t tm_sum_one(const int8_t *cell, const tm_mean *m)
{
    int32_t sum = 0;
    for (int32_t p = m->count; p > 0; p--) {
        sum += *cell;
        cell += m->inner;
    }
    return sum;
}

TM_INLINE void tm_mean_s8(const int8_t *x, int8_t *y, const tm_mean *m, int rounding)
{
    for (int32_t o = 0; o < m->outer; o++) {
        for (int32_t c = 0; c < m->inner; c++) {
            *y++ = tm_mean_of(tm_sum_one(x + c, m), m, rounding);
        }
        x += m->count * m->inner;
    }
}

#endif
