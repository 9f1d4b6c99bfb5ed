/* One channel as a plane of int16 with its padding: expanding it from NHWC, and any kernel over it. */
#ifndef TM_DEPTHWISE_PLANE_H
#define TM_DEPTHWISE_PLANE_H

#include "attributes.h"
#include "simd.h"
#include "window.h"

#define TM_DEPTHWISE_MOST_PAIRS 32

/* `elements` int16 in a row (even), `rows` rows. */
typedef struct {
    int32_t row_elements;
    int32_t rows;
} tm_plane;

/* One channel of x (x points at it) into the interior of a plane. */
TM_INLINE void tm_plane_expand(const int8_t *x, const tm_window *w, const tm_plane *shape, int16_t *plane)
{
    const int32_t rows = w->in_h < shape->rows - w->pad_top ? w->in_h : shape->rows - w->pad_top;
    const int32_t columns = w->in_w < shape->row_elements - w->pad_left ? w->in_w : shape->row_elements - w->pad_left;
    int16_t *row = plane + w->pad_top * shape->row_elements + w->pad_left;
    for (int32_t r = 0; r < rows; r++) {
        const int8_t *cell = x + r * w->in_w * w->in_c;
        int32_t c = 0;
        for (; c + 2 <= columns; c += 2) {
            const int32_t first = *cell;
            cell += w->in_c;
            const int32_t second = *cell;
            cell += w->in_c;
            row[c] = (int16_t)first;
            row[c + 1] = (int16_t)second;
        }
        if (c < columns) {
            row[c] = *cell;
        }
        row += shape->row_elements;
    }
}

/* Four neighbouring channels of x into four planes that lie one behind the other. */
TM_INLINE void tm_plane_expand4(const int8_t *x, const tm_window *w, const tm_plane *shape, int16_t *planes)
{
    const int32_t rows = w->in_h < shape->rows - w->pad_top ? w->in_h : shape->rows - w->pad_top;
    const int32_t columns = w->in_w < shape->row_elements - w->pad_left ? w->in_w : shape->row_elements - w->pad_left;
    const int32_t plane = shape->rows * shape->row_elements;
    for (int32_t r = 0; r < rows; r++) {
        const int8_t *cell = x + r * w->in_w * w->in_c;
        int16_t *to0 = planes + (w->pad_top + r) * shape->row_elements + w->pad_left;
        int16_t *to1 = to0 + plane;
        int16_t *to2 = to1 + plane;
        int16_t *to3 = to2 + plane;
        int32_t left = columns;
        while (left > 0) {
            const uint32_t a = tm_load_word(cell);
            const uint32_t a_even = tm_sxtb16(a);
            const uint32_t a_odd = tm_sxtb16_ror8(a);
            cell += w->in_c;
            if (left == 1 || (left == columns && (w->pad_left & 1) != 0)) { /* alone, so that pairs lie on words */
                *to0++ = (int16_t)a_even;
                *to1++ = (int16_t)a_odd;
                *to2++ = (int16_t)(a_even >> 16);
                *to3++ = (int16_t)(a_odd >> 16);
                left -= 1;
                continue;
            }
            const uint32_t b = tm_load_word(cell);
            const uint32_t b_even = tm_sxtb16(b);
            const uint32_t b_odd = tm_sxtb16_ror8(b);
            cell += w->in_c;
            tm_store_word(to0, tm_pack_bottoms(a_even, b_even));
            tm_store_word(to1, tm_pack_bottoms(a_odd, b_odd));
            tm_store_word(to2, tm_pack_tops(a_even, b_even));
            tm_store_word(to3, tm_pack_tops(a_odd, b_odd));
            to0 += 2;
            to1 += 2;
            to2 += 2;
            to3 += 2;
            left -= 2;
        }
    }
}

/* Weights of one channel, each kernel row filled up to whole words of int8, to pairs (w0, w1), (w2, w3) ...
 * `kernel_h` and `row_pairs` are constants. */
TM_INLINE void tm_depthwise_weights(const int32_t *packed, int kernel_h, int row_pairs, uint32_t *pairs)
{
#pragma GCC unroll 16
    for (int ky = 0; ky < kernel_h; ky++) {
#pragma GCC unroll 16
        for (int i = 0; i < row_pairs; i += 2) {
            const uint32_t word = (uint32_t)*packed++;
            pairs[ky * row_pairs + i] = tm_pack_bottoms(tm_sxtb16(word), tm_sxtb16_ror8(word));
            if (i + 1 < row_pairs) {
                pairs[ky * row_pairs + i + 1] = tm_pack_tops(tm_sxtb16(word), tm_sxtb16_ror8(word));
            }
        }
    }
}

/* Any kernel over the rows of a plane; y is one channel with `y_stride` bytes between outputs. A kernel row of odd
 * length reads one int16 more, times a weight of 0. `kernel_h` and `row_pairs` are constants. */
TM_INLINE int8_t *tm_depthwise_plane_rows(const int16_t *plane, int32_t row_elements, const tm_window *w, int32_t rows,
                                          const uint32_t *pairs, int kernel_h, int row_pairs, int32_t bias,
                                          int32_t multiplier, int32_t zero_point, int8_t *y)
{
    for (int32_t oy = 0; oy < rows; oy++) {
        const int16_t *window = plane;
        for (int32_t ox = 0; ox < w->out_w; ox++) {
            const int16_t *row = window;
            int32_t acc = bias;
#pragma GCC unroll 16
            for (int ky = 0; ky < kernel_h; ky++) {
#pragma GCC unroll 16
                for (int i = 0; i < row_pairs; i++) {
                    acc = tm_smlad(tm_load_word(row + 2 * i), pairs[ky * row_pairs + i], acc);
                }
                row += row_elements;
            }
            *y = tm_saturate_s8(tm_smmlar(acc, multiplier, zero_point));
            y += w->out_c;
            window += w->stride_w;
        }
        plane += w->stride_h * row_elements;
    }
    return y;
}

#endif
