/* Two neighbouring channels of an int8 tensor to two planes of int16, less their zero point. */
#ifndef TM_DEPTHWISE_EXPAND_H
#define TM_DEPTHWISE_EXPAND_H

#include <stdint.h>

#include "attributes.h"
#include "simd.h"

/* The assembly reads the members in this order. Skips lead from the end of one row to the start of the next, in bytes. */
typedef struct {
    const int8_t *x; /* the first of the two channels */
    int16_t *a, *b;  /* any alignment to elements */
    int32_t pixel;   /* bytes between neighbours in a row of x */
    uint32_t centre; /* the pair of the negated zero point */
    int32_t columns, rows;
    int32_t x_skip, plane_skip;
} tm_depthwise_cells;

TM_INLINE uint32_t tm_load_half(const void *p)
{
    uint16_t value;
    __builtin_memcpy(&value, p, sizeof value);
    return value;
}

/* tm_depthwise_clear: zeros to `words` (at least one) of both planes. tm_depthwise_move: as many to a and b from
 * `from_bytes` behind them. */
#if defined(__ARM_FEATURE_DSP)
#include "depthwise_expand_armv7em.h"
#else
#include "depthwise_expand_portable.h"
#endif

#endif
