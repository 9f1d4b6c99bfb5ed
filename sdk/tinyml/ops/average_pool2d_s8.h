/* int8 average pooling: the C twin of average_pool2d.py.
 *
 * x [in_h][in_w][c], y [out_h][out_w][c], same quantisation on both sides. Cells outside the input do not count.
 * The mean of the raw integers is rounded half away from zero. x and y must not overlap. */
#ifndef TM_AVERAGE_POOL2D_S8_H
#define TM_AVERAGE_POOL2D_S8_H

#include "attributes.h"
#include "requantize.h"
#include "rounded_mean.h"
#include "window.h"

TM_INLINE void tm_average_pool2d_s8(
    const int8_t *x, int8_t *y, const tm_window *w, const tm_output *out)
{
    for (int32_t oy = 0; oy < w->out_h; oy++) {
        const int32_t top = oy * w->stride_h - w->pad_top;
        const int32_t y0 = top < 0 ? 0 : top;
        const int32_t y1 = top + w->kernel_h > w->in_h ? w->in_h : top + w->kernel_h;
        for (int32_t ox = 0; ox < w->out_w; ox++) {
            const int32_t left = ox * w->stride_w - w->pad_left;
            const int32_t x0 = left < 0 ? 0 : left;
            const int32_t x1 = left + w->kernel_w > w->in_w ? w->in_w : left + w->kernel_w;
            const int32_t count = (y1 - y0) * (x1 - x0);
            for (int32_t c = 0; c < w->in_c; c++) {
                int32_t sum = 0;
                for (int32_t iy = y0; iy < y1; iy++) {
                    const int8_t *cell = x + (iy * w->in_w + x0) * w->in_c + c;
                    for (int32_t ix = x0; ix < x1; ix++) {
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
