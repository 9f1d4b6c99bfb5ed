/* depthwise3x3.h in plain C: the twin of depthwise3x3_armv7em.h. */
#ifndef TM_DEPTHWISE3X3_PORTABLE_H
#define TM_DEPTHWISE3X3_PORTABLE_H

#include "attributes.h"
#include "simd.h"

TM_INLINE int32_t tm_depthwise3x3_sum(const tm_depthwise3x3 *set, const int8_t *at, int32_t column, const int stride)
{
    int32_t sum = set->bias;
    for (int32_t r = 0; r < 3; r++, at += set->pitch) {
        const int8_t *cell = at + 2 * stride * column;
        const uint32_t left = (uint32_t)tm_load_half(cell) | ((uint32_t)tm_load_half(cell + 2) << 16);
        const uint32_t w01 = set->weights[stride == 1 ? 2 * r : r];
        const uint32_t w2 = stride == 1 ? set->weights[2 * r + 1] >> 16 : set->weights[3 + r / 2] >> (16 * (r & 1));
        sum = tm_smlabb(tm_load_half(cell + 4), w2, tm_smlad(left, w01, sum));
    }
    return sum;
}

TM_INLINE void tm_depthwise3x3_rows(const tm_depthwise3x3 *set, const int stride)
{
    const int8_t *at = (const int8_t *)set->plane;
    const int32_t step = set->step;
    const int32_t columns = (int32_t)(set->end - at) / (2 * stride) + set->tail;
    int8_t *y = set->y;
    for (const int8_t *end = set->end;; end += step, at += step) {
        for (int32_t column = 0; column < columns; column++) {
            const int32_t sum = tm_depthwise3x3_sum(set, at, column, stride);
            y[column * set->y_pixel] = tm_saturate_s8(tm_smmla(sum, set->multiplier, set->offset) >> set->right);
        }
        if (end == set->last) {
            return;
        }
        y += (columns - (columns & 1)) * set->y_pixel + set->y_skip;
    }
}

TM_INLINE void tm_depthwise3x3_s1(const tm_depthwise3x3 *set, TM_UNUSED const int fixed)
{
    tm_depthwise3x3_rows(set, 1);
}

TM_INLINE void tm_depthwise3x3_s2(const tm_depthwise3x3 *set, TM_UNUSED const int fixed)
{
    tm_depthwise3x3_rows(set, 2);
}

#endif
