/* Depthwise kernels of 3, 5 or 7 columns and any number of rows: one row of outputs, four at a time.
 *
 * Kernel rows that lie in the padding are left out. A single kernel row of more than 7 columns is cut into `chunks` of
 * 6, which are filtered like rows that lie 12 bytes apart. */
#ifndef TM_DEPTHWISE_WIDE_H
#define TM_DEPTHWISE_WIDE_H

#include "depthwise.h"

#define TM_DEPTHWISE_CHUNK_BYTES 12

/* The assembly reads the members in this order. Sums leave as ((4 * sum * multiplier >> 32) + offset) >> right,
 * saturated. A kernel row's weights w0 ... w(2m) are the pairs (w0, w1), (w2, w3) ...; then at stride 1
 * (w1, w2), (w3, w4) ..., at stride 2 w(2m). */
typedef struct {
    int32_t bias, multiplier, offset, right;
    int8_t *y;
    int32_t y_pixel;
    const int8_t *x;
    const uint32_t *weights, *weights_end;
    int32_t step; /* bytes of x from one kernel row to the next */
    int32_t outputs;
} tm_depthwise_row;

#if defined(__ARM_FEATURE_DSP)
#include "depthwise_wide_armv7em.h"
#else
#include "depthwise_wide_portable.h"
#endif

/* Kernel rows of int8 to pairs of int16. `columns` (3, 5 or 7) and `stride` are constants. */
TM_INLINE void tm_depthwise_widen(const int8_t *w, int32_t rows, uint32_t *pairs, const int columns, const int stride)
{
    for (; rows > 0; rows--, w += columns) {
        const uint32_t left = tm_load_word(w);
        const uint32_t even = tm_sxtb16(left);
        const uint32_t odd = tm_sxtb16_ror8(left);
        const uint32_t right = columns > 3 ? tm_load_word(w + 4) : 0;
        const uint32_t right_even = tm_sxtb16(right);
        const uint32_t right_odd = tm_sxtb16_ror8(right);
        *pairs++ = tm_pack_bottoms(even, odd);
        if (columns > 3) {
            *pairs++ = tm_pack_tops(even, odd);
        }
        if (columns > 5) {
            *pairs++ = tm_pack_bottoms(right_even, right_odd);
        }
        if (stride == 2) {
            *pairs++ = columns == 3 ? even >> 16 : columns == 5 ? right_even : right_even >> 16;
            continue;
        }
        *pairs++ = tm_pack_bottom_top(odd, even);
        if (columns > 3) {
            *pairs++ = tm_pack_bottom_top(odd >> 16, right_even << 16);
        }
        if (columns > 5) {
            *pairs++ = tm_pack_bottom_top(right_odd, right_even);
        }
    }
}

/* What is the same for all channels. */
TM_INLINE void tm_depthwise_wide_begin(const tm_depthwise *p, tm_depthwise_row *set)
{
    set->y_pixel = p->y_pixel;
    set->step = p->chunks > 1 ? TM_DEPTHWISE_CHUNK_BYTES : p->pitch;
    set->outputs = p->out_columns;
}

/* Constants: the kernel's columns, the stride along the columns (1 or 2), `is_signed` (negative results are rounded
 * away from zero), `doubled` (gemmlowp's two roundings). */
TM_INLINE void tm_depthwise_wide_filter(const tm_depthwise *p, const tm_depthwise_work *work, const int columns,
                                        const int stride, const int is_signed, const int doubled)
{
    tm_depthwise_row *set = (tm_depthwise_row *)work->set;
    uint32_t *pairs = work->room;
    const int32_t words = stride == 1 ? columns - 1 : (columns + 1) / 2;
    const int8_t *w = (const int8_t *)(work->stream + 2);
    const int32_t right = w[columns * p->kernel_rows * p->chunks];
    set->bias = work->stream[0];
    set->multiplier = work->stream[1];
    set->right = right;
    set->offset = (int32_t)(((uint32_t)p->out_zero_point << right) + (1U << (right - 1)));
    set->offset += doubled && right > 1;
    set->y = work->y;
    tm_depthwise_widen(w, p->kernel_rows * p->chunks, pairs, columns, stride);
    const int8_t *x = (const int8_t *)work->plane;
    int32_t top = work->first * p->stride_rows - p->pad_rows;
    for (int32_t rows = work->rows; rows > 0; rows--) {
        const int32_t begin = top < 0 ? -top : 0;
        const int32_t end = p->in_rows - top < p->kernel_rows ? p->in_rows - top : p->kernel_rows;
        set->x = x + begin * p->pitch;
        set->weights = pairs + begin * words;
        set->weights_end = pairs + end * p->chunks * words;
        tm_depthwise_wide_row(set, columns, stride, is_signed);
        set->y += p->y_row;
        x += p->stride_rows * p->pitch;
        top += p->stride_rows;
    }
}

#endif
