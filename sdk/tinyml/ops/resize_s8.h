/* int8 resizing of images [in_h][in_w][channels]: the C twin of resize.py. x and y must not overlap. */
#ifndef TM_RESIZE_S8_H
#define TM_RESIZE_S8_H

#include <stdint.h>

#include "attributes.h"

typedef struct {
    int16_t in_w, channels, out_h, out_w;
} tm_resize;

/* `rows` and `columns` hold the cell that each output cell copies. */
TM_INLINE void tm_resize_nearest_s8(
    const int8_t *x, int8_t *y, const tm_resize *r, const int16_t *rows, const int16_t *columns)
{
    for (int32_t oy = 0; oy < r->out_h; oy++) {
        const int8_t *row = x + rows[oy] * r->in_w * r->channels;
        for (int32_t ox = 0; ox < r->out_w; ox++) {
            const int8_t *cell = row + columns[ox] * r->channels;
            for (int32_t c = r->channels; c > 0; c--) {
                *y++ = *cell++;
            }
        }
    }
}

/* `rows` and `columns` hold (lower cell, upper cell, weight of the upper in 1024ths) for each output cell. */
TM_INLINE void tm_resize_bilinear_s8(
    const int8_t *x, int8_t *y, const tm_resize *r, const int16_t *rows, const int16_t *columns)
{
    for (int32_t oy = 0; oy < r->out_h; oy++, rows += 3) {
        const int8_t *above = x + rows[0] * r->in_w * r->channels;
        const int8_t *below = x + rows[1] * r->in_w * r->channels;
        const int16_t *column = columns;
        for (int32_t ox = 0; ox < r->out_w; ox++, column += 3) {
            const int32_t left = column[0] * r->channels;
            const int32_t right = column[1] * r->channels;
            for (int32_t c = 0; c < r->channels; c++) {
                const int32_t upper = above[left + c] * (1024 - column[2]) + above[right + c] * column[2];
                const int32_t lower = below[left + c] * (1024 - column[2]) + below[right + c] * column[2];
                const int32_t sum = upper * (1024 - rows[2]) + lower * rows[2];
                *y++ = (int8_t)((sum + (sum > 0 ? 1 << 19 : -(1 << 19))) / (1 << 20));
            }
        }
    }
}

#endif
