/* Streaming log-mel front end. Twin: reference.py. */
#include "log_mel.h"

#include "mel.h"
#include "log_mel_tables.h"

#define HOP_PAIRS (TM_LOG_MEL_HOP_SAMPLES / 2)
#define KEPT_PAIRS (TM_FFT_PAIRS - HOP_PAIRS)
#define FULL_SHIFT 6u /* see fft.h */

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "two samples are read as one little-endian word");

void tm_log_mel_reset(tm_log_mel *s)
{
    for (unsigned i = 0; i < TM_FFT_PAIRS; i++)
        s->frame[i] = 0;
    for (unsigned m = 0; m < TM_LOG_MEL_BINS; m++)
        s->mean[m] = 0;
    s->frames = 0;
}

/* Appends the hop to the frame; returns the shift that the window's products need. */
static unsigned append(tm_log_mel *s, const int16_t *hop)
{
    uint32_t *frame = s->frame;
    uint32_t used = 0; /* bit k of a half is set when a sample needs bit k besides its sign */
    for (unsigned i = 0; i < KEPT_PAIRS; i++) {
        uint32_t pair = frame[i + HOP_PAIRS];
        frame[i] = pair;
        used |= pair ^ (pair << 1);
    }
    for (unsigned i = 0; i < HOP_PAIRS; i++) {
        uint32_t pair;
        __builtin_memcpy(&pair, hop + 2 * i, sizeof pair);
        frame[KEPT_PAIRS + i] = pair;
        used |= pair ^ (pair << 1);
    }
    used = (used | (used >> 16)) & 0xFFFFu;
    unsigned spare = (unsigned)__builtin_clz(used | 1u) - 16u;
    return spare < FULL_SHIFT ? FULL_SHIFT - spare : 0u;
}

/* Energies of the frame that ends with `hop`, left by 2 * shift bits; returns FULL_SHIFT - shift. */
static unsigned energies_of(tm_log_mel *s, const int16_t *hop, int64_t *energy)
{
    unsigned shift = append(s, hop);
    tm_fft_window(s->frame, shift, s->spectrum);
    tm_fft_passes(s->spectrum);
    tm_fft_spectrum(s->spectrum);
    tm_mel_energies(s->spectrum, energy);
    return FULL_SHIFT - shift;
}

static inline int32_t larger(int32_t a, int32_t b)
{
    return a > b ? a : b;
}

void tm_log_mel_push_log(tm_log_mel *s, const int16_t *hop, int16_t *log_energies)
{
    int64_t energy[TM_LOG_MEL_BINS];
    int32_t gain = (int32_t)energies_of(s, hop, energy) * 1024;
    for (unsigned m = 0; m < TM_LOG_MEL_BINS; m++)
        log_energies[m] = (int16_t)(tm_log2_q9(energy[m]) - gain);
}

void tm_log_mel_push(tm_log_mel *s, const int16_t *hop, int8_t *features)
{
    int64_t energy[TM_LOG_MEL_BINS];
    unsigned spare = energies_of(s, hop, energy);
    int32_t gain = (int32_t)spare * 1024;
    int32_t alpha = TM_LOG_MEL_MEAN_ALPHA_Q12;
    if (s->frames < TM_LOG_MEL_MEAN_FRAMES) {
        s->frames++;
        alpha = larger(alpha, (int32_t)(4096u / s->frames));
    }
    for (unsigned m = 0; m < TM_LOG_MEL_BINS; m++) {
        int32_t level = larger(tm_log2_q9(energy[m]) - gain, tm_log_mel_floor[m]);
        int32_t reference = TM_LOG_MEL_FIXED_REFERENCE;
        if (TM_LOG_MEL_MEAN_REMOVAL) {
            int64_t mean = s->mean[m];
            mean += ((((energy[m] >> (2 * spare)) - mean) >> 8) * alpha) >> 4;
            s->mean[m] = mean;
            reference = larger(tm_log2_q9(mean), tm_log_mel_floor[m]);
        }
        int32_t q = ((level - reference) * TM_LOG_MEL_STEP_Q20 + (1 << 19)) >> 20;
        features[m] = (int8_t)(q < -128 ? -128 : q > 127 ? 127 : q);
    }
}
