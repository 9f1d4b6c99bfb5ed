/* int8 fully connected layer, portable: the C twin of fully_connected.py.
 *
 * x [inputs], weights [outputs][inputs], y [outputs]. x and y must not overlap. */
#ifndef TM_FULLY_CONNECTED_S8_H
#define TM_FULLY_CONNECTED_S8_H

#include "attributes.h"
#include "dot_run.h"
#include "requantize.h"
#include "window.h"

TM_INLINE void tm_fully_connected_s8(
    const int8_t *x, int8_t *y, int32_t inputs, int32_t outputs, const tm_output *out, int32_t in_zero_point,
    const int8_t *weights, const int32_t *bias, const int32_t *multiplier, const int32_t *shift, int rounding)
{
    for (int32_t o = 0; o < outputs; o++) {
        const int32_t acc = tm_dot_run(x, weights + o * inputs, inputs, in_zero_point, bias[o]);
        const int32_t value = tm_requantize(acc, multiplier[o], shift[o], rounding) + out->zero_point;
        y[o] = tm_clamp_s8(value, out->low, out->high);
    }
}

#endif
