/* Depthwise 3x3 at stride 1 along the row over one channel, two outputs at a time.
 *
 * plane: int16 rows of `row_bytes` (a constant: 4 * pairs + 4 for `pairs` pairs of outputs in a row), padding
 * included; output (r, c) reads `stride` * r (a constant) and the two rows below, columns c .. c + 2. Outputs lie
 * `y_stride` bytes apart.
 * weights: per kernel row the pairs (w0, w1) and (w1, w2).
 * Every output is saturate(zero_point + round(accumulator * multiplier / 2**32)). With an odd width the last pair
 * of a row writes one byte past the row, which the next row overwrites: so the last row must not be given here. */
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
    const int16_t *row_end;   /* of the first row: plane + 2 * pairs */
    const int16_t *last_end;  /* of the last row */
    int32_t back;             /* bytes that y has gone too far after a row: y_stride for odd widths, else 0 */
} tm_depthwise_rows;

#if defined(__ARM_FEATURE_DSP)
#include "depthwise_rows_armv7em.h"
#else
#include "depthwise_rows_portable.h"
#endif

#endif
