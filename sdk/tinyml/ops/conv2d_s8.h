/* int8 convolution, portable, by rows: the C twin of conv2d.py.
 *
 * x [in_h][in_w][in_c], weights [out_c][kernel_h][kernel_w][in_c], y [out_h][out_w][out_c]. Rows [first, stop) of the
 * output are computed, y is where they go; input row r lies at x + (r % in_ring) rows. x and y must not overlap.
 * Padding cells hold the input's zero point, so taps outside the input are left out. */
#ifndef TM_CONV2D_S8_H
#define TM_CONV2D_S8_H

#include "attributes.h"
#include "dot_run.h"
#include "requantize.h"
#include "window.h"

typedef struct {
    const int8_t *weights;
    const int32_t *bias;
    const int32_t *multiplier;
    const int32_t *shift;
    tm_window window;
    tm_output out;
    int32_t in_zero_point, in_ring;
} tm_conv2d_portable;

TM_INLINE void tm_conv2d_s8(const tm_conv2d_portable *p, const int8_t *x, int8_t *y, int32_t first, int32_t stop,
                            const int rounding)
{
    const tm_window *w = &p->window;
    const int32_t taps = w->kernel_h * w->kernel_w * w->in_c;
    for (int32_t oy = first; oy < stop; oy++) {
        const int32_t top = oy * w->stride_h - w->pad_top;
        const tm_taps rows = tm_taps_inside(top, w->kernel_h, w->dilation_h, w->in_h);
        for (int32_t ox = 0; ox < w->out_w; ox++) {
            const int32_t left = ox * w->stride_w - w->pad_left;
            const tm_taps columns = tm_taps_inside(left, w->kernel_w, w->dilation_w, w->in_w);
            /* Taps that are neighbours in memory are one run. */
            const int32_t step = w->dilation_w == 1 ? columns.end - columns.begin : 1;
            const int32_t run = step * w->in_c;
            for (int32_t oc = 0; oc < w->out_c; oc++) {
                int32_t acc = p->bias[oc];
                for (int32_t ky = rows.begin; ky < rows.end; ky++) {
                    const int32_t iy = top + ky * w->dilation_h;
                    const int32_t row = p->in_ring == w->in_h ? iy : iy % p->in_ring;
                    const int8_t *cells = x + (row * w->in_w + left) * w->in_c;
                    const int8_t *weights = p->weights + oc * taps + ky * w->kernel_w * w->in_c;
                    for (int32_t kx = columns.begin; kx < columns.end; kx += step) {
                        acc = tm_dot_run(cells + kx * w->dilation_w * w->in_c, weights + kx * w->in_c, run,
                                         p->in_zero_point, acc);
                    }
                }
                const int32_t value = tm_requantize(acc, p->multiplier[oc], p->shift[oc], rounding) + p->out.zero_point;
                *y++ = tm_clamp_s8(value, p->out.low, p->out.high);
            }
        }
    }
}

#endif
