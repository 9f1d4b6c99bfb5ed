/* int8 fully connected layer for cores with SIMD pairs: the input is expanded once to int16 pairs, then multiplied
 * with the packed stream of gemm_tile.h. Twin of fully_connected.py; for multipliers without a left shift.
 *
 * scratch: 8 bytes per group of four inputs. The bias holds the input's zero point. */
#ifndef TM_FULLY_CONNECTED_S8_DSP_H
#define TM_FULLY_CONNECTED_S8_DSP_H

#include "attributes.h"
#include "clamp.h"
#include "gemm_pixel.h"
#include "window.h"

TM_INLINE void tm_fully_connected_s8_dsp(const int8_t *x, int8_t *y, int32_t inputs, int32_t outputs,
                                         const tm_output *out, const int32_t *stream, void *scratch)
{
    uint32_t *column = (uint32_t *)scratch;
    tm_gemm_expand(x, inputs, column, 1);
    tm_gemm_pixel(column, 1, (inputs + 3) / 4, stream, y, outputs, out->zero_point);
    tm_clamp_outputs(y, outputs, out);
}

#endif
