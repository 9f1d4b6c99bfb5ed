/* int8 mean for cores with SIMD pairs: four channels at a time, summed in halves of words for up to 255 values, then
 * in 32 bits. Twin of mean.py. y may start at or before x. */
#ifndef TM_MEAN_S8_DSP_H
#define TM_MEAN_S8_DSP_H

#include "attributes.h"
#include "mean_s8.h"
#include "simd.h"

TM_INLINE void tm_mean_s8_dsp(const int8_t *x, int8_t *y, const tm_mean *m, int rounding)
{
    for (int32_t o = 0; o < m->outer; o++) {
        int32_t c = 0;
        for (; c + 4 <= m->inner; c += 4) {
            const int8_t *cell = x + c;
            int32_t sum[4] = {0, 0, 0, 0};
            for (int32_t left = m->count; left > 0;) {
                uint32_t even = 0;
                uint32_t odd = 0;
                int32_t run = left < 255 ? left : 255;
                left -= run;
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
            for (int i = 0; i < 4; i++) {
                *y++ = tm_mean_of(sum[i], m, rounding);
            }
        }
        for (; c < m->inner; c++) {
            *y++ = tm_mean_channel(x + c, m, rounding);
        }
        x += m->count * m->inner;
    }
}

#endif
