/* One input's part of a concatenation: the C twin of concat.py. Blocks of `size` bytes go to every `step` bytes of y. */
#ifndef TM_CONCAT_S8_H
#define TM_CONCAT_S8_H

#include <stdint.h>

#include "attributes.h"

TM_INLINE void tm_concat_s8(const int8_t *x, int8_t *y, int32_t blocks, int32_t size, int32_t step)
{
    for (; blocks > 0; blocks--) {
        for (int32_t i = 0; i < size; i++) {
            y[i] = *x++;
        }
        y += step;
    }
}

#endif
