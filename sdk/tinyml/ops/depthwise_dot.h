/* Depthwise convolution whose one window is the whole input: one output per channel, four channels at a time.
 *
 * stream: for every four channels bias (less what the zero point adds) and multiplier of each, a word with their
 * shifts, then for every two taps t the words (c0 t, c1 t, c0 t+1, c1 t+1) and the same of c2, c3; 0 behind the last
 * tap. y may lie at or below x. */
#ifndef TM_DEPTHWISE_DOT_H
#define TM_DEPTHWISE_DOT_H

#include <stdint.h>

#include "attributes.h"
#include "clamp.h"
#include "simd.h"

/* int8 of ((4 * sum * multiplier >> 32) + offset) >> right. */
TM_INLINE int8_t tm_depthwise_dot_output(int32_t sum, int32_t multiplier, int32_t right, int32_t zero_point,
                                         const int is_signed, const int doubled)
{
    int32_t offset = (int32_t)(((uint32_t)zero_point << right) + (1U << (right - 1)));
    offset += doubled && right > 1;
    const int32_t scaled = (int32_t)((uint32_t)sum << 2);
    int32_t value = tm_smmla(scaled, multiplier, offset);
    if (is_signed) {
        value += (scaled >> 31) * 2;
    }
    return tm_saturate_s8(value >> right);
}

/* `channels` is a multiple of 4. Constants: `is_signed` (negative results are rounded away from zero), `doubled`
 * (gemmlowp's two roundings). */
TM_INLINE void tm_depthwise_dot(const int8_t *x, int8_t *y, int32_t channels, int32_t taps, const int32_t *stream,
                                const tm_output *out, const int is_signed, const int doubled)
{
    for (int32_t c = 0; c < channels; c += 4) {
        const int8_t *at = x + c;
        const int32_t *w = stream + 9;
        int32_t sums[4] = {stream[0], stream[1], stream[2], stream[3]};
        for (int32_t left = taps; left > 0; left -= 2) {
            const uint32_t first = tm_load_word(at);
            const uint32_t second = tm_load_word(at + (left > 1 ? channels : 0));
            const uint32_t low = tm_pack_bottoms(first, second);
            const uint32_t high = tm_pack_tops(first, second);
            const uint32_t low_weights = (uint32_t)w[0];
            const uint32_t high_weights = (uint32_t)w[1];
            sums[0] = tm_smlad(tm_sxtb16(low), tm_sxtb16(low_weights), sums[0]);
            sums[1] = tm_smlad(tm_sxtb16_ror8(low), tm_sxtb16_ror8(low_weights), sums[1]);
            sums[2] = tm_smlad(tm_sxtb16(high), tm_sxtb16(high_weights), sums[2]);
            sums[3] = tm_smlad(tm_sxtb16_ror8(high), tm_sxtb16_ror8(high_weights), sums[3]);
            at += 2 * channels;
            w += 2;
        }
        const int8_t *right = (const int8_t *)(stream + 8);
#pragma GCC unroll 4
        for (int32_t i = 0; i < 4; i++) {
            y[c + i] =
                tm_depthwise_dot_output(sums[i], stream[4 + i], right[i], out->zero_point, is_signed, doubled);
        }
        stream = w;
    }
    tm_clamp_outputs(y, channels, out);
}

#endif
