/* Depthwise 3x3 at stride 1 or 2 along the columns: one channel's rows, four outputs at a time.
 *
 * A row of `columns` outputs takes columns / 4 steps of four outputs and, for what remains, steps of two, the last of
 * which drops its second output when the row is odd. Rows of the plane reach as far as the steps read. */
#ifndef TM_DEPTHWISE3X3_H
#define TM_DEPTHWISE3X3_H

#include "depthwise.h"

#define TM_DEPTHWISE_RIGHT 10 /* the shift of kernels with one shift for all channels */

/* The assembly reads the members in this order. Sums leave as ((sum * multiplier >> 32) + offset) >> right, saturated.
 * `weights`: at stride 1 per kernel row (w0, w1), (w1, w2); at stride 2 (w0, w1) per row, then (w2 of row 0, of row 1),
 * (w2 of row 2, 0). */
typedef struct {
    int32_t bias, multiplier, offset, right;
    int8_t *y;
    int32_t y_pixel;
    const int8_t *end;  /* of the steps of four in the first row */
    const int8_t *last; /* the same in the last row */
    int32_t y_skip;     /* from the end of one row to the start of the next */
    int32_t x_skip;
    int32_t tail;       /* columns % 4 */
    int32_t step;       /* bytes of the plane from one row of outputs to the next */
    int32_t pitch;
    uint32_t weights[6];
    const int16_t *plane;
    int32_t fours_bytes; /* of the plane, for a row's steps of four */
} tm_depthwise3x3;

#if defined(__ARM_FEATURE_DSP)
#include "depthwise3x3_armv7em.h"
#else
#include "depthwise3x3_portable.h"
#endif

TM_INLINE uint32_t tm_depthwise_pair(int32_t bottom, int32_t top, int32_t bits)
{
    return tm_pack_bottoms((uint32_t)bottom << bits, (uint32_t)top << bits);
}

/* The channel's constants: int8 weights scaled by 2**bits; `doubled`: requantised with gemmlowp's two roundings. */
TM_INLINE void tm_depthwise3x3_constants(tm_depthwise3x3 *set, const int32_t *stream, int32_t out_zero_point,
                                         const int stride, const int fixed, const int doubled)
{
    const int8_t *w = (const int8_t *)(stream + 2);
    const int32_t bits = fixed ? w[9] : 2;
    const int32_t right = fixed ? TM_DEPTHWISE_RIGHT : w[9];
    set->bias = stream[0];
    set->multiplier = stream[1];
    set->right = right;
    set->offset = (int32_t)(((uint32_t)out_zero_point << right) + (1U << (right - 1)));
    if (doubled && right > 1) {
        set->offset += 1 << (bits - 2);
    }
    if (stride == 1) {
        for (int32_t r = 0; r < 3; r++, w += 3) {
            set->weights[2 * r] = tm_depthwise_pair(w[0], w[1], bits);
            set->weights[2 * r + 1] = tm_depthwise_pair(w[1], w[2], bits);
        }
    } else {
        for (int32_t r = 0; r < 3; r++) {
            set->weights[r] = tm_depthwise_pair(w[3 * r], w[3 * r + 1], bits);
        }
        set->weights[3] = tm_depthwise_pair(w[2], w[5], bits);
        set->weights[4] = tm_depthwise_pair(w[8], 0, bits);
    }
}

/* What is the same for all channels. `stride` (1 or 2, along the columns) is a constant. */
TM_INLINE void tm_depthwise3x3_begin(const tm_depthwise *p, tm_depthwise3x3 *set, const int stride)
{
    const int32_t tail = p->out_columns % 4;
    set->step = p->stride_rows * p->pitch;
    set->pitch = p->pitch;
    set->fours_bytes = 8 * stride * (p->out_columns / 4);
    set->x_skip = set->step - set->fours_bytes - 4 * stride * ((tail + 1) / 2);
    set->y_pixel = p->y_pixel;
    set->y_skip = p->y_row - (p->out_columns & ~1) * p->y_pixel;
    set->tail = tail;
}

/* Constants: the stride along the columns (1 or 2), `fixed` (one shift for all channels), `doubled`. */
TM_INLINE void tm_depthwise3x3_filter(const tm_depthwise *p, const tm_depthwise_work *work, const int stride,
                                      const int fixed, const int doubled)
{
    tm_depthwise3x3 *set = (tm_depthwise3x3 *)work->set;
    tm_depthwise3x3_constants(set, work->stream, p->out_zero_point, stride, fixed, doubled);
    set->y = work->y;
    set->plane = work->plane;
    set->end = (const int8_t *)work->plane + set->fours_bytes;
    set->last = set->end + (work->rows - 1) * set->step;
    if (stride == 1) {
        tm_depthwise3x3_s1(set, fixed);
    } else {
        tm_depthwise3x3_s2(set, fixed);
    }
}

#endif
