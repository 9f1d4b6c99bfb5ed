/* Rounding of averages: the C twin of rounded_mean in average_pool2d.py. */
#ifndef TM_ROUNDED_MEAN_H
#define TM_ROUNDED_MEAN_H

#include <stdint.h>

/* sum / count rounded half away from zero; count > 0. */
static inline int32_t tm_rounded_mean(int32_t sum, int32_t count)
{
    const int32_t half = count / 2;
    return (sum + (sum < 0 ? -half : half)) / count;
}

#endif
