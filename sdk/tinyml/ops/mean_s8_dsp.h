/* int8 mean for cores with SIMD pairs: four channels at a time, summed in halves of words for up to 255 values, then
 * in 32 bits. Twin of mean.py. y may start at or before x. */
#ifndef TM_MEAN_S8_DSP_H
#define TM_MEAN_S8_DSP_H

#include "attributes.h"
#include "mean_s8.h"
#include "simd.h"

/* The sums of four neighbouring places of `inner`. */
TM_INLINE void tm_sum_four(const int8_t *cell, const tm_mean *m, int32_t *sum, int plain)
{
    sum[0] = sum[1] = sum[2] = sum[3] = 0;
    for (int32_t left = m->count; left > 0;) {
        uint32_t even = 0;
        uint32_t odd = 0;
        int32_t run = plain || left < 255 ? left : 255;
        left = plain ? 0 : left - run;
        do {
            const uint32_t word = tm_load_word(cell);
            cell += m->inner;
            even = tm_sxtab16(even, word);
            odd = tm_sxtab16_ror8(odd, word);
        } while (--run > 0);
        sum[0] += (int16_t)(even & 0xFFFFU);
        sum[1] += (int16_t)(odd & 0xFFFFU);
        sum[2] += (int16_t)(even >> 16);
        sum[3] += (int16_t)(odd >> 16);
    }
}

/* `plain`: at most 255 values, and a multiple of four places; a constant, as `rounding` is, wherever this is inlined. */
TM_INLINE void tm_mean_s8_dsp(const int8_t *x, int8_t *y, const tm_mean *m, int rounding, int plain)
{
    for (int32_t o = m->outer; o > 0; o--) {
        for (int32_t left = m->inner; left > 0;) {
            int32_t sum[4];
            int32_t places = 1;
            if (plain || left >= 4) {
                places = 4;
                tm_sum_four(x, m, sum, plain);
            } else {
                sum[0] = tm_sum_one(x, m);
            }
            for (int32_t i = 0; i < places; i++) { /* one copy of the requantisation for both */
                *y++ = tm_mean_of(sum[i], m, rounding);
            }
            x += places;
            left -= places;
        }
        x += (m->count - 1) * m->inner;
    }
}

#endif
