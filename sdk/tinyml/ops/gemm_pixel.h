/* Matrix product for one pixel, over the stream of gemm_tile.h: what is left of three, and fully connected layers. */
#ifndef TM_GEMM_PIXEL_H
#define TM_GEMM_PIXEL_H

#include "attributes.h"
#include "simd.h"

/* Expand `taps` int8 values to one column: per group of four the even pair, and the odd pair `step` words behind.
 * Missing taps of the last group become 0. */
TM_INLINE void tm_gemm_expand(const int8_t *x, int32_t taps, uint32_t *column, int32_t step)
{
    for (; taps >= 4; taps -= 4) {
        const uint32_t word = tm_load_word(x);
        x += 4;
        column[0] = tm_sxtb16(word);
        column[step] = tm_sxtb16_ror8(word);
        column += 2 * step;
    }
    if (taps > 0) {
        uint32_t word = (uint8_t)x[0];
        word |= taps > 1 ? (uint32_t)(uint8_t)x[1] << 8 : 0U;
        word |= taps > 2 ? (uint32_t)(uint8_t)x[2] << 16 : 0U;
        column[0] = tm_sxtb16(word);
        column[step] = tm_sxtb16_ror8(word);
    }
}

/* y[0 .. outputs) from one column whose pairs lie `step` words apart. */
TM_INLINE void tm_gemm_pixel(const uint32_t *column, int32_t step, int32_t groups, const int32_t *stream,
                             int8_t *y, int32_t outputs, int32_t zero_point)
{
    for (int32_t o = 0; o < outputs; o += 2) {
        int32_t acc0 = *stream++;
        int32_t acc1 = *stream++;
        const uint32_t *pair = column;
        for (int32_t g = groups; g > 0; g--) {
            const uint32_t w0 = (uint32_t)stream[0];
            const uint32_t w1 = (uint32_t)stream[1];
            const uint32_t even = pair[0];
            const uint32_t odd = pair[step];
            stream += 2;
            pair += 2 * step;
            acc0 = tm_smlad(even, tm_sxtb16(w0), acc0);
            acc1 = tm_smlad(even, tm_sxtb16(w1), acc1);
            acc0 = tm_smlad(odd, tm_sxtb16_ror8(w0), acc0);
            acc1 = tm_smlad(odd, tm_sxtb16_ror8(w1), acc1);
        }
        y[o] = tm_saturate_s8(tm_smmlar(acc0, stream[0], zero_point));
        if (o + 1 < outputs) {
            y[o + 1] = tm_saturate_s8(tm_smmlar(acc1, stream[1], zero_point));
        }
        stream += 2;
    }
}

#endif
