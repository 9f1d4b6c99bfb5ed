/* Depthwise 3x3 over one channel: tm_depthwise_rows3x3 at stride 1 along the row, two outputs at a time, and
 * tm_depthwise_rows3x3_s2 at stride 2, one at a time.
 *
 * plane: int16 rows of `row_bytes` (a constant: 4 more than 4 for each step along the row), padding included;
 * output (r, c) reads row `stride` * r (a constant) and the two below, columns c (or 2 c) and the two behind.
 * Outputs lie `y_stride` bytes apart.
 * weights: per kernel row the pairs (w0, w1) and (w1, w2), at stride 2 (w0, w1) and (w2, 0).
 * Every output is saturate(zero_point + round(accumulator * multiplier / 2**32)). At stride 1 with an
 * odd width the last pair of a row writes one byte past the row, which the next row overwrites: so the last row must
 * not be given here. */
#ifndef TM_DEPTHWISE_ROWS_H
#define TM_DEPTHWISE_ROWS_H

#include <stdint.h>

/* The assembly reads the members in this order. */
typedef struct {
    const int16_t *plane;
    int8_t *y;
    uint32_t weights[6];
    int32_t multiplier;
    int32_t zero_point;
    int32_t bias;
    int32_t y_stride;
    const int16_t *row_end;   /* of the first row: plane + 2 int16 for each step */
    const int16_t *last_end;  /* of the last row */
    int32_t back;             /* bytes that y has gone too far after a row: y_stride for odd widths at stride 1, else 0 */
} tm_depthwise_rows;

#if defined(__ARM_FEATURE_DSP)
#include "depthwise_rows_armv7em.h"
#else
#include "depthwise_rows_portable.h"
#endif

#endif
