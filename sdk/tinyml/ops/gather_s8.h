/* Strided copy of bytes, the output contiguous: the C twin of gather.py. x and y must not overlap. */
#ifndef TM_GATHER_S8_H
#define TM_GATHER_S8_H

#include <stdint.h>

#include "attributes.h"

typedef struct {
    int32_t sizes[4], steps[4];
} tm_walk;

TM_INLINE void tm_gather_s8(const int8_t *x, int8_t *y, const tm_walk *w)
{
    for (int32_t i = 0; i < w->sizes[0]; i++) {
        for (int32_t j = 0; j < w->sizes[1]; j++) {
            const int8_t *row = x + i * w->steps[0] + j * w->steps[1];
            for (int32_t k = 0; k < w->sizes[2]; k++) {
                const int8_t *cell = row;
                for (int32_t l = w->sizes[3]; l > 0; l--) {
                    *y++ = *cell;
                    cell += w->steps[3];
                }
                row += w->steps[2];
            }
        }
    }
}

#endif
