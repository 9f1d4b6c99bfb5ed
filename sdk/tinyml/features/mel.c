/* Triangles that meet at their feet: between two neighbouring band edges a bin of power P gives P * f to the
 * upper band and P * (1 - f) to the lower, so one weight a bin and one pass over the spectrum do. */
#include "mel.h"

#include "fixed_point.h"
#include "log_mel_config.h"
#include "log_mel_tables.h"

void tm_mel_energies(const int32_t *spectrum, int64_t *energy)
{
    const int32_t *bin = spectrum + 2 * TM_MEL_FIRST_BIN;
    const int32_t *weight = tm_mel_weights;
    int64_t rising = 0; /* half of the power that the previous interval gave to the band that peaks here */
    for (unsigned interval = 0; interval <= TM_LOG_MEL_BINS; interval++) {
        int64_t power = 0, upper = 0;
        for (const int32_t *end = weight + tm_mel_counts[interval]; weight < end; weight++, bin += 2) {
            int32_t re = bin[0], im = bin[1];
            power += (int64_t)re * re;
            power += (int64_t)im * im;
            upper += (int64_t)re * tm_mul_high(re, *weight);
            upper += (int64_t)im * tm_mul_high(im, *weight);
        }
        if (interval > 0)
            energy[interval - 1] = power + 2 * (rising - upper);
        rising = upper;
    }
}

int32_t tm_log2_q9(int64_t x)
{
    if (x <= 0)
        return TM_LOG2_OF_ZERO;
    uint32_t high = (uint32_t)((uint64_t)x >> 32);
    int32_t exponent;
    uint32_t mantissa; /* leading one at bit 31 */
    if (high != 0) {
        int zeros = __builtin_clz(high);
        exponent = 63 - zeros;
        mantissa = (uint32_t)((uint64_t)x >> (32 - zeros));
    } else {
        uint32_t low = (uint32_t)x;
        int zeros = __builtin_clz(low);
        exponent = 31 - zeros;
        mantissa = low << zeros;
    }
    uint32_t index = (mantissa >> 26) & 31u;
    int32_t fraction = (int32_t)((mantissa >> 10) & 0xFFFFu);
    int32_t base = tm_log2_table[index];
    int32_t step = tm_log2_table[index + 1] - base;
    return exponent * 512 + ((base * 65536 + step * fraction + (1 << 20)) >> 21);
}
