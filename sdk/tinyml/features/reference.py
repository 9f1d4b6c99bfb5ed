"""The log-mel front end in numpy integers: the specification that the C must equal bit for bit.

Twin of fft.c, mel.c and log_mel.c, over whole recordings at once. All arrays are int64, so nothing can overflow
that the C keeps in 32 bits; `>>` floors, as in the C.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tinyml.features.spec import FFT_POINTS, LogMelSpec
from tinyml.features.tables import ALPHA_BITS, FINE_BITS, STEP_BITS, Tables, tables

_CHUNK_FRAMES = 1024
_LOG2_OF_ZERO = -512
_HALF = 1 << 31


def log_mel(spec: LogMelSpec, pcm: np.ndarray) -> np.ndarray:
    """int16[n] -> int8[n // hop, mel_bins], from reset. Equal to `LogMel(spec).process(pcm)`."""
    t = tables(spec)
    levels = np.maximum(log_energies(spec, pcm).astype(np.int64), t.noise) - t.reference
    units = _without_mean(levels, t, spec) if spec.mean_removal else levels
    return np.clip((units * t.step + (1 << (STEP_BITS - 1))) >> STEP_BITS, -128, 127).astype(np.int8)


def _without_mean(levels: np.ndarray, t: Tables, spec: LogMelSpec) -> np.ndarray:
    """Levels int64[frames, mel_bins] in log units, less their causal mean."""
    mean = np.zeros(spec.mel_bins, np.int64)
    loudest = 0
    out = np.empty_like(levels)
    for i, level in enumerate(levels << FINE_BITS):
        loudest = max(int(level.max()), loudest - t.release)
        floor = loudest - (t.range << FINE_BITS)
        alpha = max(t.alpha, 2**ALPHA_BITS // min(i + 1, spec.mean_frames))
        level = np.maximum(level, floor)
        mean = np.maximum(mean, floor)
        mean += _high((level - mean) << (32 - ALPHA_BITS), alpha)
        out[i] = (level - mean) >> FINE_BITS
    return out


def log_energies(spec: LogMelSpec, pcm: np.ndarray) -> np.ndarray:
    """int16[n] -> int16[n // hop, mel_bins], from reset. Equal to `LogMel(spec).process_log(pcm)`."""
    t = tables(spec)
    parts = [log2_q9(energy, t) - 1024 * spare[:, None] for energy, spare in _energies(spec, t, pcm)]
    return np.concatenate(parts or [np.empty((0, spec.mel_bins))]).astype(np.int16)


def log2_q9(x: np.ndarray, t: Tables) -> np.ndarray:
    """512 log2(x) of int64 values below 2^62, as `tm_log2_q9`."""
    positive = np.maximum(x, 1)
    exponent = np.frexp(positive.astype(np.float64))[1].astype(np.int64) - 1
    exponent -= (positive >> exponent) == 0  # the float was rounded up to the next power of two
    mantissa = np.where(exponent > 31, positive >> np.maximum(exponent - 31, 0),
                        positive << np.maximum(31 - exponent, 0))  # fmt: skip
    index, fraction = (mantissa >> 26) & 31, (mantissa >> 10) & 0xFFFF
    table = t.log2.astype(np.int64)
    base = table[index]
    log = exponent * 512 + ((base * 65536 + (table[index + 1] - base) * fraction + (1 << 20)) >> 21)
    return np.where(x > 0, log, _LOG2_OF_ZERO)


def _energies(spec: LogMelSpec, t: Tables, pcm: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Energies int64[f, mel_bins] and spare shifts int64[f] of successive chunks of frames."""
    hop = spec.hop_samples
    padded = np.concatenate([np.zeros(FFT_POINTS - hop, np.int64), pcm.astype(np.int64)])
    for start in range(0, pcm.size // hop, _CHUNK_FRAMES):
        stop = min(start + _CHUNK_FRAMES, pcm.size // hop)
        frames = np.stack([padded[k * hop : k * hop + FFT_POINTS] for k in range(start, stop)])
        spare = _spare_bits(frames)
        re, im = _window_pass(frames, spare, t)
        for span in (4, 16, 64):
            re, im = _pass(re, im, span, t)
        yield _mel(*_spectrum(re, im, t), t), spare


def _high(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """As tm_mul_high."""
    return (a * b + _HALF) >> 32


def _high_sum(a: np.ndarray, b: np.ndarray, c: np.ndarray, d: np.ndarray) -> np.ndarray:
    """As tm_mul_high_add(tm_mul_high(a, b), c, d); tm_mul_high_sub with -d."""
    return ((_high(a, b) << 32) + c * d + _HALF) >> 32


def _spare_bits(frames: np.ndarray) -> np.ndarray:
    """Redundant sign bits of each frame's loudest sample; pairs are combined as the C does, in words of two."""
    word = (frames[:, 0::2] & 0xFFFF) | (frames[:, 1::2] & 0xFFFF) << 16
    used = np.bitwise_or.reduce((word ^ (word << 1)) & 0xFFFFFFFF, axis=1)
    used = (used | used >> 16) & 0xFFFF | 1
    return 16 - np.frexp(used)[1].astype(np.int64)


def _window_pass(frames: np.ndarray, spare: np.ndarray, t: Tables) -> tuple[np.ndarray, np.ndarray]:
    x = _high(frames << (16 + spare[:, None]), t.window.astype(np.int64))
    (ar, br, cr, dr), (ai, bi, ci, di) = (x[:, k::2].reshape(-1, 4, 64).swapaxes(0, 1) for k in (0, 1))
    sr, si, er, ei = ar + cr, ai + ci, ar - cr, ai - ci
    tr, ti, fr, fi = br + dr, bi + di, br - dr, bi - di
    re, im = np.empty((2, len(frames), FFT_POINTS // 2), np.int64)
    at = t.reversed.astype(np.int64) // 2
    re[:, at], re[:, at + 1], re[:, at + 2], re[:, at + 3] = sr + tr, er + fi, sr - tr, er - fi
    im[:, at], im[:, at + 1], im[:, at + 2], im[:, at + 3] = si + ti, ei - fr, si - ti, ei + fr
    return re, im


def _pass(re: np.ndarray, im: np.ndarray, span: int, t: Tables) -> tuple[np.ndarray, np.ndarray]:
    """One radix-4 pass; axes: frame, group, leg a b c d, position in the group."""
    shape = (len(re), -1, 4, span)
    w = t.twiddles.astype(np.int64)[:: 64 // span]
    (ar, *xr), (ai, *xi) = (np.moveaxis(v.reshape(shape), 2, 0) for v in (re, im))
    turned = []
    for r, i, cos, sin in zip(xr, xi, w.T[0::2], w.T[1::2], strict=True):
        turned += [_high_sum(r, cos, i, sin), _high_sum(i, cos, r, -sin)]
    br, bi, cr, ci, dr, di = turned
    sr, si, er, ei = (ar >> 1) + cr, (ai >> 1) + ci, (ar >> 1) - cr, (ai >> 1) - ci
    tr, ti, fr, fi = br + dr, bi + di, br - dr, bi - di
    out_r = np.stack([sr + tr, er + fi, sr - tr, er - fi], axis=2)
    out_i = np.stack([si + ti, ei - fr, si - ti, ei + fr], axis=2)
    return out_r.reshape(re.shape), out_i.reshape(im.shape)


def _spectrum(re: np.ndarray, im: np.ndarray, t: Tables) -> tuple[np.ndarray, np.ndarray]:
    """Bins 0..255 of the real FFT (bin 0 stays the complex one, it has no mel weight)."""
    half = FFT_POINTS // 4
    low, high = np.arange(1, half), np.arange(FFT_POINTS // 2 - 1, half, -1)
    cos, sin = t.split.astype(np.int64).T
    sum_r, dif_r = re[:, low] + re[:, high], re[:, low] - re[:, high]
    sum_i, dif_i = im[:, low] + im[:, high], im[:, low] - im[:, high]
    p = _high_sum(cos, sum_i, -sin, dif_r)
    q = _high_sum(cos, dif_r, sin, sum_i)
    out_r, out_i = re.copy(), im.copy()
    out_r[:, low], out_i[:, low] = (sum_r >> 1) + p, (dif_i >> 1) - q
    out_r[:, high], out_i[:, high] = (sum_r >> 1) - p, -(dif_i >> 1) - q
    out_i[:, half] = -im[:, half]
    return out_r, out_i


def _mel(re: np.ndarray, im: np.ndarray, t: Tables) -> np.ndarray:
    bins = slice(t.first_bin, t.first_bin + len(t.weights))
    re, im, weights = re[:, bins], im[:, bins], t.weights.astype(np.int64)
    ends = np.cumsum(t.counts)
    power = _interval_sums(re * re + im * im, ends)
    upper = _interval_sums(re * _high(re, weights) + im * _high(im, weights), ends)
    return power[:, 1:] + 2 * (upper[:, :-1] - upper[:, 1:])


def _interval_sums(x: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Sums of the columns of x in [0, ends[0]), [ends[0], ends[1]) ...: int64[f, intervals]."""
    total = np.concatenate([np.zeros((len(x), 1), np.int64), np.cumsum(x, axis=1)], axis=1)
    return np.diff(total[:, ends], axis=1, prepend=0)
