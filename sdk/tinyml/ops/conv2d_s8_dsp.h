/* int8 convolution for cores with SIMD pairs: windows are unfolded three at a time into int16 columns, which
 * gemm_tile.h multiplies with the packed stream. Twin of conv2d.py; for multipliers without a left shift.
 *
 * scratch: 24 bytes per group of four taps for the columns, and 4 more per group for one unfolded window (not used
 * by 1x1 kernels). The bias holds the input's zero point, padding cells are that zero point. */
#ifndef TM_CONV2D_S8_DSP_H
#define TM_CONV2D_S8_DSP_H

#include "attributes.h"
#include "clamp.h"
#include "gemm_pixel.h"
#include "gemm_tile.h"
#include "window.h"

/* Three pixels of a 1x1 convolution to columns, together. */
TM_INLINE void tm_conv2d_expand3(const int8_t *x, int32_t channels, uint32_t *columns)
{
    const int8_t *second = x + channels;
    const int8_t *third = second + channels;
    int32_t left = channels;
    for (; left >= 4; left -= 4) {
        const uint32_t a = tm_load_word(x);
        const uint32_t b = tm_load_word(second);
        const uint32_t c = tm_load_word(third);
        x += 4;
        second += 4;
        third += 4;
        columns[0] = tm_sxtb16(a);
        columns[1] = tm_sxtb16(b);
        columns[2] = tm_sxtb16(c);
        columns[3] = tm_sxtb16_ror8(a);
        columns[4] = tm_sxtb16_ror8(b);
        columns[5] = tm_sxtb16_ror8(c);
        columns += 6;
    }
    if (left > 0) {
        tm_gemm_expand(x, left, columns, 3);
        tm_gemm_expand(second, left, columns + 1, 3);
        tm_gemm_expand(third, left, columns + 2, 3);
    }
}

TM_INLINE int8_t *tm_copy_bytes(int8_t *to, const int8_t *from, int32_t count)
{
    for (; count >= 4; count -= 4) {
        tm_store_word(to, tm_load_word(from));
        to += 4;
        from += 4;
    }
    for (; count > 0; count--) {
        *to++ = *from++;
    }
    return to;
}

TM_INLINE int8_t *tm_fill_bytes(int8_t *to, int32_t value, int32_t count)
{
    for (; count > 0; count--) {
        *to++ = (int8_t)value;
    }
    return to;
}

/* The window whose first cell is (top, left), row by row, with `fill` outside the input. */
TM_INLINE void tm_conv2d_unfold(const int8_t *x, const tm_window *w, int32_t top, int32_t left, int32_t fill, int8_t *to)
{
    const int32_t row_bytes = w->in_w * w->in_c;
    const int32_t run_bytes = w->kernel_w * w->in_c;
    const int32_t inside = left >= 0 && left + w->kernel_w <= w->in_w && w->dilation_w == 1;
    for (int32_t ky = 0; ky < w->kernel_h; ky++) {
        const int32_t iy = top + ky * w->dilation_h;
        if (iy < 0 || iy >= w->in_h) {
            to = tm_fill_bytes(to, fill, run_bytes);
            continue;
        }
        const int8_t *row = x + iy * row_bytes;
        if (inside) {
            to = tm_copy_bytes(to, row + left * w->in_c, run_bytes);
            continue;
        }
        for (int32_t kx = 0; kx < w->kernel_w; kx++) {
            const int32_t ix = left + kx * w->dilation_w;
            if (ix < 0 || ix >= w->in_w) {
                to = tm_fill_bytes(to, fill, w->in_c);
            } else {
                to = tm_copy_bytes(to, row + ix * w->in_c, w->in_c);
            }
        }
    }
}

/* `pointwise` is a constant: 1 for kernels of 1x1 at stride 1 without padding. */
TM_INLINE void tm_conv2d_s8_dsp(const int8_t *x, int8_t *y, const tm_window *w, const tm_output *out,
                                int32_t in_zero_point, const int32_t *stream, void *scratch, int pointwise)
{
    const int32_t taps = pointwise ? w->in_c : w->kernel_h * w->kernel_w * w->in_c;
    const int32_t groups = (taps + 3) / 4;
    const int32_t pixels = w->out_h * w->out_w;
    const int32_t paired = w->out_c & ~1;
    const int32_t *stream_end = stream + (paired / 2) * (4 + 2 * groups);
    uint32_t *columns = (uint32_t *)scratch;
    int8_t *patch = (int8_t *)(columns + 6 * groups);
    int32_t left = -w->pad_left;
    int32_t top = -w->pad_top;
    int32_t ox = 0;
    if (!pointwise) {
        tm_store_word(patch + 4 * (groups - 1), 0U);
    }
    for (int32_t done = 0; done < pixels;) {
        const int32_t block = pixels - done >= 3 ? 3 : 1;
        if (pointwise && block == 3) {
            tm_conv2d_expand3(x, taps, columns);
            x += 3 * taps;
        } else if (pointwise) {
            tm_gemm_expand(x, taps, columns, 3);
            x += taps;
        } else {
            for (int32_t i = 0; i < block; i++) {
                tm_conv2d_unfold(x, w, top, left, in_zero_point, patch);
                tm_gemm_expand(patch, 4 * groups, columns + i, 3);
                left += w->stride_w;
                if (++ox == w->out_w) {
                    ox = 0;
                    left = -w->pad_left;
                    top += w->stride_h;
                }
            }
        }
        if (block == 3) {
            if (paired > 0) {
                const tm_gemm_tile tile = {columns, columns + 6 * groups, y, w->out_c, out->zero_point, groups & 1,
                                           stream, stream_end};
                tm_gemm_tile3(&tile);
            }
            for (int32_t i = 0; i < 3 && paired < w->out_c; i++) {
                tm_gemm_pixel(columns + i, 3, groups, stream_end, y + i * w->out_c + paired, 1, out->zero_point);
            }
        } else {
            tm_gemm_pixel(columns, 3, groups, stream, y, w->out_c, out->zero_point);
        }
        tm_clamp_outputs(y, block * w->out_c, out);
        y += block * w->out_c;
        done += block;
    }
}

#endif
