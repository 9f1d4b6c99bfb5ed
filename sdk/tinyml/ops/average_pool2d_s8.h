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

TM_INLINE void tm_average_pool2d_s8(
    const int8_t *x, int8_t *y, const tm_window *w, const tm_output *out)
{
    for (int32_t oy = 0; oy < w->out_h; oy++) {
        const tm_cells rows = tm_inside(oy * w->stride_h - w->pad_top, w->kernel_h, w->in_h);
        for (int32_t ox = 0; ox < w->out_w; ox++) {
            const tm_cells columns = tm_inside(ox * w->stride_w - w->pad_left, w->kernel_w, w->in_w);
            const int8_t *corner = x + (rows.start * w->in_w + columns.start) * w->in_c;
            const int32_t count = (rows.stop - rows.start) * (columns.stop - columns.start);
            for (int32_t c = 0; c < w->in_c; c++) {
                int32_t sum = 0;
                for (int32_t iy = 0; iy < rows.stop - rows.start; iy++) {
                    const int8_t *cell = corner + iy * w->in_w * w->in_c + c;
                    for (int32_t ix = columns.start; ix < columns.stop; ix++) {
                        sum += *cell;
                        cell += w->in_c;
                    }
                }
                *y++ = tm_clamp_s8(tm_rounded_mean(sum, count), out->low, out->high);
            }
        }
    }
}

#endif
