/* Expansion of int8 activations for the matrix-product kernels: a word of four taps x0 .. x3 becomes
 *   low:  the pairs x0 + 128, x2 + 128
 *   both: the pairs -(256 * x1 + x0 + 129), -(256 * x3 + x2 + 129)
 * gemm_packing.py explains why. */
#ifndef TM_GEMM_EXPAND_H
#define TM_GEMM_EXPAND_H

#include <stdint.h>

/* Columns of a window, one behind the other: of each row in turn `words` words from `offset` bytes on, which moves by
 * `step` from column to column. Rows that are null and offsets of `limit` and more (or below 0) give `fill` instead.
 * Rows and offsets are word aligned; groups, offset and columns are left behind changed. The assembly reads the
 * members in this order. */
typedef struct {
    const int8_t *const *rows;
    const int8_t *const *rows_end;
    int32_t offset;
    uint32_t limit;
    int32_t step;
    int32_t words;
    uint32_t *groups;
    uint32_t fill;
    int32_t columns; /* at least 1 */
} tm_gemm_columns;

#if defined(__ARM_FEATURE_DSP)
#include "gemm_expand_armv7em.h"
#else
#include "gemm_expand_portable.h"
#endif

#endif
