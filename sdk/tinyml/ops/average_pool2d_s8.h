/* int8 average pooling: the C twin of average_pool2d.py.
 *
 * x [in_h][in_w][c], y [out_h][out_w][c], same quantisation on both sides. Cells outside the input do not count.
 * The mean of the raw integers is rounded half away from zero. The channels of a pixel are written one after the other,
 * each when its window has been read. */
#ifndef TM_AVERAGE_POOL2D_S8_H
#define TM_AVERAGE_POOL2D_S8_H

#include "attributes.h"
#include "pool_window.h"
#include "requantize.h"
#include "rounded_mean.h"

/* The sum of one channel of a window. */
TM_INLINE int32_t tm_sum_of_channel(const tm_pool_cells *cells, int32_t channel)
{
    int32_t sum = 0;
    const int8_t *row = cells->corner + channel;
    for (int32_t iy = cells->rows; iy > 0; iy--) {
        const int8_t *cell = row;
        for (int32_t ix = cells->columns; ix > 0; ix--) {
            sum += *cell;
            cell += cells->channels;
        }
        row += cells->pitch;
    }
    return sum;
}

TM_INLINE void tm_average_pool2d_s8(const int8_t *x, int8_t *y, const tm_window *w, const tm_output *out)
{
    for (int32_t oy = 0; oy < w->out_h; oy++) {
        for (int32_t ox = 0; ox < w->out_w; ox++) {
            const tm_pool_cells cells = tm_pool_cells_at(x, w, oy, ox);
            for (int32_t c = 0; c < w->in_c; c++) {
                const int32_t mean = tm_rounded_mean(tm_sum_of_channel(&cells, c), cells.rows * cells.columns);
                *y++ = tm_clamp_s8(mean, out->low, out->high);
            }
        }
    }
}

#endif
