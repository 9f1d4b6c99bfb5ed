/* Radix-4 decimation in time. The digit-reversed order is made by the first pass, which reads the frame in
 * natural order, so no reordering pass exists. Twin: reference.py. */
#include "fft.h"

#include "fixed_point.h"
#include "log_mel_tables.h"

/* Sample pairs are windowed as they are read: both halves moved to the top of a word, times the window. */
static inline int32_t windowed_low(uint32_t pair, unsigned left, int32_t window)
{
    return tm_mul_high((int32_t)(pair << left), window);
}

static inline int32_t windowed_high(uint32_t pair, unsigned left, int32_t window)
{
    return tm_mul_high((int32_t)(pair >> 16 << left), window);
}

void tm_fft_window(const uint32_t *frame, unsigned spare, int32_t *z)
{
    unsigned left = 16 + spare;
    const int32_t *w = tm_log_mel_window;
    for (unsigned n = 0; n < TM_FFT_PAIRS / 4; n++, w += 2) {
        int32_t ar = windowed_low(frame[n], left, w[0]), ai = windowed_high(frame[n], left, w[1]);
        int32_t br = windowed_low(frame[n + 64], left, w[128]), bi = windowed_high(frame[n + 64], left, w[129]);
        int32_t cr = windowed_low(frame[n + 128], left, w[256]), ci = windowed_high(frame[n + 128], left, w[257]);
        int32_t dr = windowed_low(frame[n + 192], left, w[384]), di = windowed_high(frame[n + 192], left, w[385]);

        int32_t *out = z + tm_fft_reversed[n];
        int32_t sr = ar + cr, si = ai + ci, er = ar - cr, ei = ai - ci;
        int32_t tr = br + dr, ti = bi + di, fr = br - dr, fi = bi - di;
        out[0] = sr + tr;
        out[1] = si + ti;
        out[2] = er + fi;
        out[3] = ei - fr;
        out[4] = sr - tr;
        out[5] = si - ti;
        out[6] = er - fi;
        out[7] = ei + fr;
    }
}

/* One butterfly over z[0], z[span], z[2 span], z[3 span] (complex); w: cos, sin of one, two and three angles. */
__attribute__((always_inline)) static inline void butterfly(int32_t *z, unsigned span, const int32_t *w)
{
    int32_t *zb = z + 2 * span, *zc = z + 4 * span, *zd = z + 6 * span;
    int32_t cr = tm_mul_high_add(tm_mul_high(zc[0], w[2]), zc[1], w[3]);
    int32_t ci = tm_mul_high_sub(tm_mul_high(zc[1], w[2]), zc[0], w[3]);
    int32_t sr = (z[0] >> 1) + cr, er = (z[0] >> 1) - cr;
    int32_t si = (z[1] >> 1) + ci, ei = (z[1] >> 1) - ci;
    int32_t br = tm_mul_high_add(tm_mul_high(zb[0], w[0]), zb[1], w[1]);
    int32_t bi = tm_mul_high_sub(tm_mul_high(zb[1], w[0]), zb[0], w[1]);
    int32_t dr = tm_mul_high_add(tm_mul_high(zd[0], w[4]), zd[1], w[5]);
    int32_t di = tm_mul_high_sub(tm_mul_high(zd[1], w[4]), zd[0], w[5]);
    int32_t tr = br + dr, ti = bi + di, fr = br - dr, fi = bi - di;
    z[0] = sr + tr;
    z[1] = si + ti;
    zb[0] = er + fi;
    zb[1] = ei - fr;
    zc[0] = sr - tr;
    zc[1] = si - ti;
    zd[0] = er - fi;
    zd[1] = ei + fr;
}

/* Inlined for each span: with constant offsets the butterfly needs one pointer and no spills. */
__attribute__((always_inline)) static inline void pass(int32_t *z, unsigned span)
{
    for (int32_t *group = z; group < z + 2 * TM_FFT_PAIRS; group += 8 * span) {
        const int32_t *w = tm_fft_twiddles;
        for (int32_t *first = group; first < group + 2 * span; first += 2) {
            butterfly(first, span, w);
            w += 6 * (TM_FFT_PAIRS / 4 / span);
        }
    }
}

void tm_fft_passes(int32_t *z)
{
    pass(z, 4);
    pass(z, 16);
    pass(z, 64);
}

void tm_fft_spectrum(int32_t *z)
{
    int32_t even = z[0], odd = z[1];
    z[0] = even + odd;
    z[1] = even - odd;
    const int32_t *w = tm_fft_split;
    int32_t *low = z + 2, *high = z + 2 * (TM_FFT_PAIRS - 1);
    for (; low < high; low += 2, high -= 2, w += 2) {
        int32_t sum_r = low[0] + high[0], dif_r = low[0] - high[0];
        int32_t sum_i = low[1] + high[1], dif_i = low[1] - high[1];
        int32_t p = tm_mul_high_sub(tm_mul_high(w[0], sum_i), w[1], dif_r);
        int32_t q = tm_mul_high_add(tm_mul_high(w[0], dif_r), w[1], sum_i);
        low[0] = (sum_r >> 1) + p;
        low[1] = (dif_i >> 1) - q;
        high[0] = (sum_r >> 1) - p;
        high[1] = -(dif_i >> 1) - q;
    }
    low[1] = -low[1]; /* bin 128 is the conjugate of its own half */
}
