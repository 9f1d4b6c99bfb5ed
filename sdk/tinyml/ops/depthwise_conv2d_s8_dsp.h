/* int8 depthwise convolution for cores with SIMD pairs: channels are expanded to padded int16 planes, one or four
 * at a time, and each plane is filtered on its own. Twin of depthwise_conv2d.py; for multipliers without a left
 * shift and dilation 1.
 *
 * stream: per channel the folded bias, the multiplier, and the kernel rows filled up to whole words of int8.
 * scratch: the planes. y may be x itself: a channel is written only after it has been read as a whole. */
#ifndef TM_DEPTHWISE_CONV2D_S8_DSP_H
#define TM_DEPTHWISE_CONV2D_S8_DSP_H

#include "attributes.h"
#include "clamp.h"
#include "depthwise_plane.h"
#include "depthwise_rows.h"
#include "window.h"

/* 3x3 at stride 1 or 2 along the row over one plane. `row_bytes` and the strides are constants. */
TM_INLINE void tm_depthwise_channel3x3(const int16_t *plane, const tm_window *w, const tm_output *out,
                                       const int32_t *stream, int8_t *y, const int row_bytes, const int stride_h,
                                       const int stride_w)
{
    const int row_elements = row_bytes / 2;
    const int32_t odd = stride_w == 1 ? w->out_w & 1 : 0;
    const int32_t rows = w->out_h - odd; /* at an odd width the last row would write behind y */
    if (rows > 0) {
        const int16_t *row_end = plane + row_elements - 2;
        tm_depthwise_rows set = {plane, y, {0}, stream[1], out->zero_point, stream[0], w->out_c,
                                 row_end, row_end + (rows - 1) * stride_h * row_elements, odd * w->out_c};
        tm_depthwise_weights(stream + 2, 3, 2, set.weights);
        if (stride_w == 1) {
            for (int ky = 0; ky < 3; ky++) { /* (w2, 0) to (w1, w2) */
                set.weights[2 * ky + 1] = (set.weights[2 * ky] >> 16) | (set.weights[2 * ky + 1] << 16);
            }
            tm_depthwise_rows3x3(&set, row_bytes, stride_h);
        } else {
            tm_depthwise_rows3x3_s2(&set, row_bytes, stride_h);
        }
    }
    if (odd != 0) {
        uint32_t pairs[6];
        tm_depthwise_weights(stream + 2, 3, 2, pairs);
        tm_depthwise_plane_rows(plane + rows * stride_h * row_elements, row_elements, w, 1, pairs, 3, 2, stream[0],
                                stream[1], out->zero_point, y + rows * w->out_w * w->out_c);
    }
}

/* Constants: the kernel's size, `planes` (1 or 4), and for 3x3 at stride 1 or 2 along the row `row_bytes` (else 0)
 * and the strides. */
TM_INLINE void tm_depthwise_conv2d_s8_dsp(const int8_t *x, int8_t *y, const tm_window *w, const tm_output *out,
                                          int32_t in_zero_point, const int32_t *stream, void *scratch,
                                          const int kernel_h, const int kernel_w, const int planes, const int row_bytes,
                                          const int stride_h, const int stride_w)
{
    const int row_pairs = (kernel_w + 1) / 2;
    const int32_t reach = (w->out_w - 1) * w->stride_w + 2 * row_pairs;
    const tm_plane shape = {row_bytes != 0 ? row_bytes / 2 : (reach + 1) & ~1, (w->out_h - 1) * w->stride_h + kernel_h};
    const int32_t elements = shape.row_elements * shape.rows;
    int16_t *first = (int16_t *)scratch;
    for (int32_t i = 0; i < elements * planes; i += 2) {
        tm_store_word(first + i, ((uint32_t)in_zero_point & 0xFFFFU) | ((uint32_t)in_zero_point << 16));
    }
    for (int32_t c = 0; c < w->in_c;) {
        const int32_t count = w->in_c - c >= planes ? planes : 1;
        if (planes == 4 && count == 4) {
            tm_plane_expand4(x + c, w, &shape, first);
        } else {
            tm_plane_expand(x + c, w, &shape, first);
        }
        for (int32_t i = 0; i < count; i++) {
            const int16_t *plane = first + i * elements;
            if (row_bytes != 0) {
                tm_depthwise_channel3x3(plane, w, out, stream, y + c + i, row_bytes, stride_h, stride_w);
            } else {
                uint32_t pairs[TM_DEPTHWISE_MOST_PAIRS];
                tm_depthwise_weights(stream + 2, kernel_h, row_pairs, pairs);
                tm_depthwise_plane_rows(plane, shape.row_elements, w, w->out_h, pairs, kernel_h, row_pairs, stream[0],
                                        stream[1], out->zero_point, y + c + i);
            }
            stream += 2 + kernel_h * ((kernel_w + 3) / 4);
        }
        c += count;
    }
    tm_clamp_outputs(y, w->out_h * w->out_w * w->out_c, out);
}

#endif
