/* Clamping of finished int8 outputs, for the activation ranges that saturation alone does not give. */
#ifndef TM_CLAMP_H
#define TM_CLAMP_H

#include "attributes.h"
#include "window.h"

TM_INLINE void tm_clamp_bytes(int8_t *y, int32_t count, int32_t low, int32_t high)
{
    for (int32_t i = 0; i < count; i++) {
        y[i] = (int8_t)(y[i] < low ? low : (y[i] > high ? high : y[i]));
    }
}

TM_INLINE void tm_clamp_outputs(int8_t *y, int32_t count, const tm_output *out)
{
    if (out->low == -128 && out->high == 127) {
        return;
    }
    tm_clamp_bytes(y, count, out->low, out->high);
}

#endif
