/* depthwise_rows.h in plain C: the twin of depthwise_rows_armv7em.h. */
#ifndef TM_DEPTHWISE_ROWS_PORTABLE_H
#define TM_DEPTHWISE_ROWS_PORTABLE_H

#include "attributes.h"
#include "depthwise_rows.h"
#include "simd.h"

TM_INLINE void tm_depthwise_rows3x3(const tm_depthwise_rows *rows, const int row_bytes, const int stride)
{
    const int row_elements = row_bytes / 2;
    int8_t *y = rows->y;
    const int16_t *row_end = rows->row_end;
    for (const int16_t *start = rows->plane;; start += stride * row_elements, row_end += stride * row_elements) {
        for (const int16_t *cell = start; cell != row_end; cell += 2) {
            int32_t first = rows->bias;
            int32_t second = rows->bias;
            for (int ky = 0; ky < 3; ky++) {
                const uint32_t left = tm_load_word(cell + ky * row_elements);
                const uint32_t right = tm_load_word(cell + ky * row_elements + 2);
                const uint32_t w01 = rows->weights[2 * ky];
                const uint32_t w12 = rows->weights[2 * ky + 1];
                first = tm_smlad(left, w01, tm_smlabb(right, w12 >> 16, first));
                second = tm_smlad(right, w12, tm_smlabb(left >> 16, w01, second));
            }
            y[0] = tm_saturate_s8(tm_smmlar(first, rows->multiplier, rows->zero_point));
            y[rows->y_stride] = tm_saturate_s8(tm_smmlar(second, rows->multiplier, rows->zero_point));
            y += 2 * rows->y_stride;
        }
        y -= rows->back;
        if (row_end == rows->last_end) {
            return;
        }
    }
}

TM_INLINE void tm_depthwise_rows3x3_s2(const tm_depthwise_rows *rows, const int row_bytes, const int stride)
{
    const int row_elements = row_bytes / 2;
    int8_t *y = rows->y;
    const int16_t *row_end = rows->row_end;
    for (const int16_t *start = rows->plane;; start += stride * row_elements, row_end += stride * row_elements) {
        for (const int16_t *cell = start; cell != row_end; cell += 2) {
            int32_t acc = rows->bias;
            for (int ky = 0; ky < 3; ky++) {
                acc = tm_smlad(tm_load_word(cell + ky * row_elements), rows->weights[2 * ky], acc);
                acc = tm_smlad(tm_load_word(cell + ky * row_elements + 2), rows->weights[2 * ky + 1], acc);
            }
            *y = tm_saturate_s8(tm_smmlar(acc, rows->multiplier, rows->zero_point));
            y += rows->y_stride;
        }
        if (row_end == rows->last_end) {
            return;
        }
    }
}

#endif
