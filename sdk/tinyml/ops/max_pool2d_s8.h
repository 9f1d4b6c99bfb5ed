/* int8 max pooling: the C twin of max_pool2d.py.
 *
 * x [in_h][in_w][c], y [out_h][out_w][c], same quantisation on both sides. Cells outside the input do not count. The
 * channels of a pixel are written one after the other, each when its window has been read. */
#ifndef TM_MAX_POOL2D_S8_H
#define TM_MAX_POOL2D_S8_H

#include "attributes.h"
#include "pool_window.h"
#include "requantize.h"

/* The largest value of one channel of a window. */
TM_INLINE int32_t tm_max_of(const tm_pool_cells *cells, int32_t channel)
{
    int32_t largest = -128;
    const int8_t *row = cells->corner + channel;
    for (int32_t iy = cells->rows; iy > 0; iy--) {
        const int8_t *cell = row;
        for (int32_t ix = cells->columns; ix > 0; ix--) {
            largest = *cell > largest ? *cell : largest;
            cell += cells->channels;
        }
        row += cells->pitch;
    }
    return largest;
}

TM_INLINE void tm_max_pool2d_s8(const int8_t *x, int8_t *y, const tm_window *w, const tm_output *out)
{
    for (int32_t oy = 0; oy < w->out_h; oy++) {
        for (int32_t ox = 0; ox < w->out_w; ox++) {
            const tm_pool_cells cells = tm_pool_cells_at(x, w, oy, ox);
            for (int32_t c = 0; c < w->in_c; c++) {
                *y++ = tm_clamp_s8(tm_max_of(&cells, c), out->low, out->high);
            }
        }
    }
}

#endif
