/* How two int8 tensors are walked through together: the C twin of broadcast.py. */
#ifndef TM_PAIRING_H
#define TM_PAIRING_H

#include <stdint.h>

/* Three nested loops, the output contiguous; a step of 0 repeats an operand. */
typedef struct {
    int32_t sizes[3];
    int32_t a_steps[3];
    int32_t b_steps[3];
} tm_pairing;

#endif
