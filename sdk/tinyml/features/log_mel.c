/* Streaming log-mel front end. Twin: reference.py; what is computed and why: LogMelSpec in spec.py. */
#include "log_mel.h"

#include "fixed_point.h"
#include "log_mel_tables.h"
#include "mel.h"

#define HOP_PAIRS (TM_LOG_MEL_HOP_SAMPLES / 2)
#define KEPT_PAIRS (TM_FFT_PAIRS - HOP_PAIRS)
#define FINE 4096    /* state is kept in 1/4096 of a log unit, so that slow means do not stick */
#define ALPHA_ONE 28 /* Q28 */

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "two samples are read as one little-endian word");

void tm_log_mel_reset(tm_log_mel *s)
{
    for (unsigned i = 0; i < TM_FFT_PAIRS; i++)
        s->frame[i] = 0;
    for (unsigned m = 0; m < TM_LOG_MEL_BINS; m++)
        s->mean[m] = 0;
    s->loudest = 0;
    s->frames = 0;
}

/* Appends the hop to the frame; returns the redundant sign bits of its loudest sample, 0 to 15. */
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
    return (unsigned)__builtin_clz(used | 1u) - 16u;
}

void tm_log_mel_push_log(tm_log_mel *s, const int16_t *hop, int16_t *logs)
{
    int64_t energy[TM_LOG_MEL_BINS];
    unsigned spare = append(s, hop);
    tm_fft_window(s->frame, spare, s->spectrum);
    tm_fft_passes(s->spectrum);
    tm_fft_spectrum(s->spectrum);
    tm_mel_energies(s->spectrum, energy);
    int32_t gain = (int32_t)spare * 1024; /* two bits of energy for one of amplitude */
    for (unsigned m = 0; m < TM_LOG_MEL_BINS; m++)
        logs[m] = (int16_t)(tm_log2_q9(energy[m]) - gain);
}

static inline int32_t larger(int32_t a, int32_t b)
{
    return a > b ? a : b;
}

/* Log units to int8 steps, rounded and saturated. */
static inline int8_t steps(int32_t units)
{
    int32_t q = (units * TM_LOG_MEL_STEP_Q20 + (1 << 19)) >> 20;
    return (int8_t)(q < -128 ? -128 : q > 127 ? 127 : q);
}

/* Share of the newest frame in the mean, Q28: an even average at first, then exponential. */
static int32_t newest_share(tm_log_mel *s)
{
    if (s->frames >= TM_LOG_MEL_MEAN_FRAMES)
        return TM_LOG_MEL_MEAN_ALPHA;
    s->frames++;
    return larger(TM_LOG_MEL_MEAN_ALPHA, (int32_t)((1u << ALPHA_ONE) / s->frames));
}

/* Lifts levels and means to the moving floor, then subtracts the means. */
static void remove_mean(tm_log_mel *s, const int16_t *levels, int8_t *features)
{
    int32_t loudest = levels[0];
    for (unsigned m = 1; m < TM_LOG_MEL_BINS; m++)
        loudest = larger(loudest, levels[m]);
    loudest = larger(loudest * FINE, s->loudest - TM_LOG_MEL_RELEASE);
    s->loudest = loudest;
    int32_t floor = loudest - TM_LOG_MEL_RANGE * FINE;
    int32_t alpha = newest_share(s);
    for (unsigned m = 0; m < TM_LOG_MEL_BINS; m++) {
        int32_t level = larger(levels[m] * FINE, floor);
        int32_t mean = larger(s->mean[m], floor);
        mean += tm_mul_high((level - mean) * (1 << (32 - ALPHA_ONE)), alpha);
        s->mean[m] = mean;
        features[m] = steps((level - mean) >> 12);
    }
}

void tm_log_mel_push(tm_log_mel *s, const int16_t *hop, int8_t *features)
{
    int16_t levels[TM_LOG_MEL_BINS];
    tm_log_mel_push_log(s, hop, levels);
    for (unsigned m = 0; m < TM_LOG_MEL_BINS; m++)
        levels[m] = (int16_t)(larger(levels[m], tm_log_mel_noise[m]) - tm_log_mel_reference[m]);
    if (TM_LOG_MEL_MEAN_REMOVAL) {
        remove_mean(s, levels, features);
    } else {
        for (unsigned m = 0; m < TM_LOG_MEL_BINS; m++)
            features[m] = steps(levels[m]);
    }
}
