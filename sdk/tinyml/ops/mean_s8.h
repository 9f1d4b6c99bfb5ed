/* int8 global mean over the image: the C twin of mean.py.
 *
 * x [pixels][channels], y [channels], same quantisation. The mean of the raw integers is rounded half away from
 * zero. x and y must not overlap. */
#ifndef TM_MEAN_S8_H
#define TM_MEAN_S8_H

#include "attributes.h"
#include "requantize.h"

TM_INLINE void tm_mean_s8(
    const int8_t *x, int8_t *y, int32_t pixels, int32_t channels)
{
    for (int32_t c = 0; c < channels; c++) {
        const int8_t *cell = x + c;
        int32_t sum = 0;
        for (int32_t p = 0; p < pixels; p++) {
            sum += *cell;
            cell += channels;
        }
        y[c] = (int8_t)(sum >= 0 ? (sum + pixels / 2) / pixels : (sum - pixels / 2) / pixels);
    }
}

#endif
