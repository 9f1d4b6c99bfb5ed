/* gemm_expand.h in plain C: the twin of gemm_expand_armv7em.h. */
#ifndef TM_GEMM_EXPAND_PORTABLE_H
#define TM_GEMM_EXPAND_PORTABLE_H

#include "gemm_expand.h"
#include "simd.h"

static inline void tm_gemm_expand_word(uint32_t word, uint32_t *low, uint32_t *both)
{
    const uint32_t flipped = word ^ 0x00800080U;
    *low = flipped & 0x00FF00FFU;
    *both = ~flipped;
}

static inline void tm_gemm_expand_columns(tm_gemm_columns *c)
{
    for (; c->columns > 0; c->columns--) {
        for (const int8_t *const *row = c->rows; row != c->rows_end; row++) {
            const int inside = *row != (const int8_t *)0 && (uint32_t)c->offset < c->limit;
            for (int32_t i = 0; i < c->words; i++) {
                const uint32_t word = inside ? tm_load_word(*row + c->offset + 4 * i) : c->fill;
                tm_gemm_expand_word(word, &c->groups[0], &c->groups[1]);
                c->groups += 2;
            }
        }
        c->offset += c->step;
    }
}

#endif
