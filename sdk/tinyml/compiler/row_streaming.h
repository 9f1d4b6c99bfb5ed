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

/* `done` is room for the number of rows that each of the stages [0, last] has computed. */
static TM_SEPARATE void tm_run_rows(const tm_row_stage *stages, int32_t last, int32_t rows, int16_t *done,
                                    uint8_t *arena)
{
    for (int32_t k = 0; k <= last; k++) {
        done[k] = 0;
    }
    while (done[last] < rows) {
        int32_t k = last;
        for (; k > 0; k--) {
            const int32_t needed = done[k] * stages[k].stride + stages[k].reach;
            if (done[k - 1] >= (needed < stages[k].in_rows ? needed : stages[k].in_rows)) {
                break;
            }
        }
        stages[k].run(arena, done[k]);
        done[k]++;
    }
}

#endif
