/* int8 depthwise convolution, portable: the C twin of depthwise_conv2d.py.
 *
 * x [in_h][in_w][c], weights [kernel_h][kernel_w][c], y [out_h][out_w][c]; one output channel per input channel.
 * x and y must not overlap. Padding cells hold the input's zero point, so taps outside the input are left out. */
#ifndef TM_DEPTHWISE_CONV2D_S8_H
#define TM_DEPTHWISE_CONV2D_S8_H

#include "attributes.h"
#include "requantize.h"
#include "window.h"

TM_INLINE void tm_depthwise_conv2d_s8(
    const int8_t *x, int8_t *y, const tm_window *w, const tm_output *out, int32_t in_zero_point,
    const int8_t *weights, const int32_t *bias, const int32_t *multiplier, const int32_t *shift, int rounding)
{
    const int32_t channels = w->in_c;
    for (int32_t oy = 0; oy < w->out_h; oy++) {
        const int32_t top = oy * w->stride_h - w->pad_top;
        const tm_taps rows = tm_taps_inside(top, w->kernel_h, w->dilation_h, w->in_h);
        for (int32_t ox = 0; ox < w->out_w; ox++) {
            const int32_t left = ox * w->stride_w - w->pad_left;
            const tm_taps columns = tm_taps_inside(left, w->kernel_w, w->dilation_w, w->in_w);
            for (int32_t c = 0; c < channels; c++) {
                int32_t acc = bias[c];
                for (int32_t ky = rows.begin; ky < rows.end; ky++) {
                    const int32_t row = (top + ky * w->dilation_h) * w->in_w + left;
                    int32_t cell = (row + columns.begin * w->dilation_w) * channels + c;
                    int32_t tap = (ky * w->kernel_w + columns.begin) * channels + c;
                    for (int32_t kx = columns.begin; kx < columns.end; kx++) {
                        acc += (x[cell] - in_zero_point) * weights[tap];
                        cell += w->dilation_w * channels;
                        tap += channels;
                    }
                }
                const int32_t value = tm_requantize(acc, multiplier[c], shift[c], rounding) + out->zero_point;
                *y++ = tm_clamp_s8(value, out->low, out->high);
            }
        }
    }
}

#endif
