/* int8 table lookup: the C twin of lookup.py. `table` is indexed by the input's bits. y may start at or before x. */
#ifndef TM_LOOKUP_S8_H
#define TM_LOOKUP_S8_H

#include <stdint.h>

#include "attributes.h"

TM_INLINE void tm_lookup_s8(const int8_t *x, int8_t *y, int32_t elements, const int8_t *table)
{
    for (int32_t i = 0; i < elements; i++) {
        y[i] = table[(uint8_t)x[i]];
    }
}

#endif
