/* Clamping of finished int8 outputs, for the activation ranges that saturation alone does not give. */
#ifndef TM_CLAMP_H
#define TM_CLAMP_H

#include "attributes.h"
#include "window.h"

TM_INLINE void tm_clamp_outputs(int8_t *y, int32_t count, const tm_output *out)
{
    if (out->low == -128 && out->high == 127) {
        return;
    }
    for (int32_t i = 0; i < count; i++) {
        y[i] = (int8_t)(y[i] < out->low ? out->low : (y[i] > out->high ? out->high : y[i]));
    }
}

#endif
