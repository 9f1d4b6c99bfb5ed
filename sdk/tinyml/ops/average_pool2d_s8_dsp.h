/* int8 average pooling for cores with SIMD: four channels at a time, summed in halves of words, so for windows of at
 * most 255 cells. Twin of average_pool2d.py; up to four channels of a pixel are written after their windows have been
 * read. */
#ifndef TM_AVERAGE_POOL2D_S8_DSP_H
#define TM_AVERAGE_POOL2D_S8_DSP_H

#include "attributes.h"
#include "average_pool2d_s8.h"
#include "simd.h"

/* The sums of four neighbouring channels of a window. */
TM_INLINE void tm_sum_of_four_channels(const tm_pool_cells *cells, int32_t channel, int32_t *sum)
{
    uint32_t even = 0;
    uint32_t odd = 0;
    const int8_t *row = cells->corner + channel;
    for (int32_t iy = cells->rows; iy > 0; iy--) {
        const int8_t *cell = row;
        for (int32_t ix = cells->columns; ix > 0; ix--) {
            const uint32_t word = tm_load_word(cell);
            even = tm_sxtab16(even, word);
            odd = tm_sxtab16_ror8(odd, word);
            cell += cells->channels;
        }
        row += cells->pitch;
    }
    sum[0] = (int16_t)(even & 0xFFFFU);
    sum[1] = (int16_t)(odd & 0xFFFFU);
    sum[2] = (int16_t)(even >> 16);
    sum[3] = (int16_t)(odd >> 16);
}

TM_INLINE void tm_average_pool2d_s8_dsp(const int8_t *x, int8_t *y, const tm_window *w, const tm_output *out)
{
    for (int32_t oy = 0; oy < w->out_h; oy++) {
        for (int32_t ox = 0; ox < w->out_w; ox++) {
            const tm_pool_cells cells = tm_pool_cells_at(x, w, oy, ox);
            const int32_t count = cells.rows * cells.columns;
            for (int32_t c = 0; c < w->in_c;) {
                int32_t sum[4];
                int32_t places = 1;
                if (c + 4 <= w->in_c) {
                    places = 4;
                    tm_sum_of_four_channels(&cells, c, sum);
                } else {
                    sum[0] = tm_sum_of_channel(&cells, c);
                }
                c += places;
                for (int32_t i = 0; i < places; i++) { /* one copy of the division for both */
                    *y++ = tm_clamp_s8(tm_rounded_mean(sum[i], count), out->low, out->high);
                }
            }
        }
    }
}

#endif
