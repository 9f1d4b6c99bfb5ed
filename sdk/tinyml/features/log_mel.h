/* Integer log-mel front end: one hop of samples in, one frame of int8 features out.
 *
 * Integers only; no heap, no recursion. State and scratch live in tm_log_mel; the stack needs less than
 * 1 kB. The geometry is fixed at build time by log_mel_config.h, generated from a LogMelSpec, whose
 * docstring states the arithmetic. Little-endian targets only.
 */
#ifndef TM_LOG_MEL_H
#define TM_LOG_MEL_H

#include <stdint.h>

#include "fft.h"
#include "log_mel_config.h"

typedef struct {
    uint32_t frame[TM_FFT_PAIRS];        /* the last 512 samples, two a word, oldest first */
    int32_t spectrum[2 * TM_FFT_PAIRS];  /* scratch between calls */
    int32_t mean[TM_LOG_MEL_BINS];       /* mean level of each mel bin, in 1/4096 log unit */
    int32_t loudest;                     /* level of the loudest mel bin of late, same unit */
    uint32_t frames;                     /* frames seen, up to the length of the mean */
} tm_log_mel;

/* Silence before the first sample, no mean yet. */
void tm_log_mel_reset(tm_log_mel *s);

/* hop: TM_LOG_MEL_HOP_SAMPLES samples. features: TM_LOG_MEL_BINS values, written. */
void tm_log_mel_push(tm_log_mel *s, const int16_t *hop, int8_t *features);

/* As tm_log_mel_push, but gives log energies before floor and mean removal, in 1/512 of log2, and leaves the mean. */
void tm_log_mel_push_log(tm_log_mel *s, const int16_t *hop, int16_t *logs);

#endif
