/* The newest rows of a tensor: every row moves up by one, the new one comes last. */
#ifndef TM_SHIFT_IN_S8_H
#define TM_SHIFT_IN_S8_H

#include <stdint.h>

#include "attributes.h"
#include "simd.h"

/* Forwards, so that `to` may start before `from` in the same memory. */
TM_INLINE void tm_move_down(int8_t *to, const int8_t *from, int32_t bytes)
{
    int32_t i = 0;
    for (; i + 16 <= bytes; i += 16) {
        const uint32_t a = tm_load_word(from + i);
        const uint32_t b = tm_load_word(from + i + 4);
        const uint32_t c = tm_load_word(from + i + 8);
        const uint32_t d = tm_load_word(from + i + 12);
        tm_store_word(to + i, a);
        tm_store_word(to + i + 4, b);
        tm_store_word(to + i + 8, c);
        tm_store_word(to + i + 12, d);
    }
    for (; i < bytes; i++) {
        to[i] = from[i];
    }
}

static TM_SEPARATE TM_UNUSED void tm_shift_in_s8(int8_t *history, const int8_t *row, int32_t bytes, int32_t row_bytes)
{
    const int32_t kept = bytes - row_bytes;
    tm_move_down(history, history + row_bytes, kept);
    tm_move_down(history + kept, row, row_bytes);
}

#endif
