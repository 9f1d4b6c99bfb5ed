/* Padding with a constant: the C twin of pad.py. x and y must not overlap. */
#ifndef TM_PAD_S8_H
#define TM_PAD_S8_H

#include <stdint.h>

#include "attributes.h"

typedef struct {
    int32_t before, inside, after;
} tm_pad_axis;

typedef struct {
    tm_pad_axis rows, pixels, channels;
    int8_t value;
} tm_padding;

TM_INLINE int8_t *tm_fill(int8_t *y, int32_t count, int8_t value)
{
    for (; count > 0; count--) {
        *y++ = value;
    }
    return y;
}

TM_INLINE void tm_pad_s8(const int8_t *x, int8_t *y, const tm_padding *p)
{
    const int32_t channels = p->channels.before + p->channels.inside + p->channels.after;
    const int32_t pixels = (p->pixels.before + p->pixels.inside + p->pixels.after) * channels;
    y = tm_fill(y, p->rows.before * pixels + p->pixels.before * channels, p->value);
    for (int32_t row = p->rows.inside; row > 0; row--) {
        for (int32_t pixel = p->pixels.inside; pixel > 0; pixel--) {
            y = tm_fill(y, p->channels.before, p->value);
            for (int32_t i = p->channels.inside; i > 0; i--) {
                *y++ = *x++;
            }
            y = tm_fill(y, p->channels.after, p->value);
        }
        const int32_t next = row > 1 ? p->pixels.before * channels : p->rows.after * pixels;
        y = tm_fill(y, p->pixels.after * channels + next, p->value);
    }
}

#endif
