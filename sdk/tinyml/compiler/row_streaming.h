/* Runs a chain of layers row by row: every layer computes one output row as soon as the rows it reads are there, the
 * last layers first, so that the tensors between them need to exist as a few rows only. */
#ifndef TM_ROW_STREAMING_H
#define TM_ROW_STREAMING_H

#include <stdint.h>

#include "attributes.h"

/* Output row r of `run` reads the input rows before r * stride + reach, of `in_rows`. */
typedef struct {
    void (*run)(uint8_t *arena, int32_t row);
    int16_t stride, reach, in_rows;
} tm_row_stage;

/* counts[0] rows of the input are there, counts[k + 1] rows of stage k. Runs all that can be run of the `count` stages;
 * returns whether the last one has all its `rows`. */
static TM_SEPARATE int tm_run_rows(const tm_row_stage *stages, int32_t count, int32_t rows, int16_t *counts,
                                   uint8_t *arena)
{
    int32_t k = count;
    while (counts[count] < rows && k > 0) {
        for (k = count; k > 0; k--) {
            const tm_row_stage *stage = &stages[k - 1];
            const int32_t needed = counts[k] * stage->stride + stage->reach;
            if (counts[k - 1] >= (needed < stage->in_rows ? needed : stage->in_rows)) {
                stage->run(arena, counts[k]);
                counts[k]++;
                break;
            }
        }
    }
    return counts[count] == rows;
}

#endif
