/* int8 global mean over the image: the C twin of mean.py.
 *
 * x [pixels][channels], y [channels], same quantisation. The mean of the raw integers is rounded half away from
 * zero. y may start at or before x. */
#ifndef TM_MEAN_S8_H
#define TM_MEAN_S8_H

#include "attributes.h"
#include "rounded_mean.h"

/* The mean of one channel; cells lie `channels` apart. */
TM_INLINE int8_t tm_mean_channel(const int8_t *cell, int32_t pixels, int32_t channels)
{
    int32_t sum = 0;
    for (int32_t p = 0; p < pixels; p++) {
        sum += *cell;
        cell += channels;
    }
    return (int8_t)tm_rounded_mean(sum, pixels);
}

TM_INLINE void tm_mean_s8(const int8_t *x, int8_t *y, int32_t pixels, int32_t channels)
{
    for (int32_t c = 0; c < channels; c++) {
        y[c] = tm_mean_channel(x + c, pixels, channels);
    }
}

#endif
