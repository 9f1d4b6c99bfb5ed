/* int8 convolution, portable: the C twin of conv2d.py.
 *
 * x [in_h][in_w][in_c], weights [out_c][kernel_h][kernel_w][in_c], y [out_h][out_w][out_c].
 * x and y must not overlap. Padding cells hold the input's zero point, so taps outside the input are left out. */
#ifndef TM_CONV2D_S8_H
#define TM_CONV2D_S8_H

#include "attributes.h"
#include "requantize.h"
#include "window.h"

TM_INLINE void tm_conv2d_s8(
    const int8_t *x, int8_t *y, const tm_window *w, const tm_output *out, int32_t in_zero_point,
    const int8_t *weights, const int32_t *bias, const int32_t *multiplier, const int32_t *shift, int rounding)
{
    const int32_t taps = w->kernel_h * w->kernel_w * w->in_c;
    for (int32_t oy = 0; oy < w->out_h; oy++) {
        for (int32_t ox = 0; ox < w->out_w; ox++) {
            const int32_t top = oy * w->stride_h - w->pad_top;
            const int32_t left = ox * w->stride_w - w->pad_left;
            for (int32_t oc = 0; oc < w->out_c; oc++) {
                int32_t acc = bias[oc];
                for (int32_t ky = 0; ky < w->kernel_h; ky++) {
                    const int32_t iy = top + ky * w->dilation_h;
                    if (iy < 0 || iy >= w->in_h) {
                        continue;
                    }
                    for (int32_t kx = 0; kx < w->kernel_w; kx++) {
                        const int32_t ix = left + kx * w->dilation_w;
                        if (ix < 0 || ix >= w->in_w) {
                            continue;
                        }
                        const int8_t *cell = x + (iy * w->in_w + ix) * w->in_c;
                        const int8_t *tap = weights + oc * taps + (ky * w->kernel_w + kx) * w->in_c;
                        for (int32_t ic = 0; ic < w->in_c; ic++) {
                            acc += (cell[ic] - in_zero_point) * tap[ic];
                        }
                    }
                }
                const int32_t value = tm_requantize(acc, multiplier[oc], shift[oc], rounding) + out->zero_point;
                *y++ = tm_clamp_s8(value, out->low, out->high);
            }
        }
    }
}

#endif
