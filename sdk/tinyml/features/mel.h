/* Mel filter bank over a 512-point spectrum, and the base-2 logarithm of its energies. */
#ifndef TM_MEL_H
#define TM_MEL_H

#include <stdint.h>

/* spectrum: as tm_fft_spectrum leaves it. energy: TM_LOG_MEL_BINS values below 2^60, written. */
void tm_mel_energies(const int32_t *spectrum, int64_t *energy);

/* 512 * log2(x), error below 0.4, for x > 0; TM_LOG2_OF_ZERO for 0. */
#define TM_LOG2_OF_ZERO (-512)
int32_t tm_log2_q9(int64_t x);

#endif
