/* Real 512-point FFT of one windowed frame, in 32-bit fixed point.
 *
 * The three calls run in this order on the same buffer of 512 words:
 *   tm_fft_window    windows the frame and runs the first radix-4 pass (no scaling),
 *   tm_fft_passes    the other three radix-4 passes (each halves),
 *   tm_fft_spectrum  splits the 256-point complex result into bins 0..256 of the real FFT.
 * Bin k = 1..255 is then (z[2k], z[2k+1]); bins 0 and 256, both real, are z[0] and z[1].
 *
 * Scale: bin = X * 2^(spare + 6), X the DFT of sample * window with the window's peak at 1. `spare` is the number
 * of redundant sign bits of the loudest sample, 0 for full scale: the frame is normalised, so that the rounding of
 * the FFT stays far below the rounding of the samples, however quiet.
 * No overflow: windowed samples are below 2^24, and since a Hann window sums to 256 at most, the four passes, three of
 * which halve, end below 2^24 * 256 / 8 = 2^29; the split adds one bit in between.
 */
#ifndef TM_FFT_H
#define TM_FFT_H

#include <stdint.h>

#define TM_FFT_POINTS 512
#define TM_FFT_PAIRS 256

/* frame: 256 pairs of samples, the earlier in the low half. z: 512 words, written. */
void tm_fft_window(const uint32_t *frame, unsigned spare, int32_t *z);
void tm_fft_passes(int32_t *z);
void tm_fft_spectrum(int32_t *z);

#endif
