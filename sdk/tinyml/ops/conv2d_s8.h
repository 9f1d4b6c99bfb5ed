/* int8 convolution, portable, by rows: the C twin of conv2d.py.
 *
 * x [in_h][in_w][in_c], weights [out_c][kernel_h][kernel_w][in_c], y [out_h][out_w][out_c]. Rows [first, stop) of the
 * output are computed, y is where they go; input row r lies at x + (r % in_ring) rows. x and y must not overlap.
 * Padding cells hold the input's zero point, so taps outside the input are left out. */
#ifndef TM_CONV2D_S8_H
#define TM_CONV2D_S8_H

#include "attributes.h"
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
        for (int32_t ox = 0; ox < w->out_w; ox++) {
            const int32_t top = oy * w->stride_h - w->pad_top;
            const int32_t left = ox * w->stride_w - w->pad_left;
            for (int32_t oc = 0; oc < w->out_c; oc++) {
                int32_t acc = p->bias[oc];
                for (int32_t ky = 0; ky < w->kernel_h; ky++) {
                    const int32_t iy = top + ky * w->dilation_h;
                    if (iy < 0 || iy >= w->in_h) {
                        continue;
                    }
                    const int32_t row = p->in_ring == w->in_h ? iy : iy % p->in_ring;
                    for (int32_t kx = 0; kx < w->kernel_w; kx++) {
                        const int32_t ix = left + kx * w->dilation_w;
                        if (ix < 0 || ix >= w->in_w) {
                            continue;
                        }
                        const int8_t *cell = x + (row * w->in_w + ix) * w->in_c;
                        const int8_t *tap = p->weights + oc * taps + (ky * w->kernel_w + kx) * w->in_c;
                        for (int32_t ic = 0; ic < w->in_c; ic++) {
                            acc += (cell[ic] - p->in_zero_point) * tap[ic];
                        }
                    }
                }
                const int32_t value = tm_requantize(acc, p->multiplier[oc], p->shift[oc], rounding) + p->out.zero_point;
                *y++ = tm_clamp_s8(value, p->out.low, p->out.high);
            }
        }
    }
}

#endif
