/* Integer softmax: the C twin of softmax.py.
 *
 * x [rows][classes] int8, y [rows][classes] int8 with scale 1/256 and zero point -128. `table[d]` is
 * round(65535 * exp(-d * scale)); distances from the maximum beyond the table count as 0. y may equal x. */
#ifndef TM_SOFTMAX_S8_H
#define TM_SOFTMAX_S8_H

#include <stdint.h>

#include "attributes.h"

TM_INLINE void tm_softmax_s8(
    const int8_t *x, int8_t *y, int32_t rows, int32_t classes, const uint16_t *table, int32_t table_length)
{
    for (int32_t r = 0; r < rows; r++) {
        int32_t largest = x[0];
        for (int32_t i = 1; i < classes; i++) {
            largest = x[i] > largest ? x[i] : largest;
        }
        uint32_t sum = 0;
        for (int32_t i = 0; i < classes; i++) {
            const int32_t distance = largest - x[i];
            sum += distance < table_length ? table[distance] : 0U;
        }
        for (int32_t i = 0; i < classes; i++) {
            const int32_t distance = largest - x[i];
            const uint32_t weight = distance < table_length ? table[distance] : 0U;
            const uint32_t share = (weight * 256U + sum / 2U) / sum;
            y[i] = (int8_t)((int32_t)(share > 255U ? 255U : share) - 128);
        }
        x += classes;
        y += classes;
    }
}

#endif
