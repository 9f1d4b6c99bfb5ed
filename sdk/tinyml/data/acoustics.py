"""How loud a clip is and how high its sound reaches: two things that a network learns instead of the words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import fft

from tinyml.data.pcm import FULL_SCALE, SAMPLE_RATE_HZ, rms_dbfs, voiced_bounds

_POINTS = 512
_BELOW_PEAK_DB = 70.0
_ABOVE_ROUNDING_DB = 6.0


@dataclass(frozen=True)
class Acoustics:
    """`level_dbfs`: RMS of the voiced part. `bandwidth_hz`: where the spectrum ends. `rolloff_hz`: 99 % lies below."""

    level_dbfs: float
    bandwidth_hz: float
    rolloff_hz: float


def measure(pcm: np.ndarray) -> Acoustics:
    """Measure int16 samples at 16 kHz.

    The spectrum ends where its 95th percentile over time falls for good below 70 dB under its peak, or to what the
    rounding to int16 would leave of nothing.
    """
    start, end = voiced_bounds(pcm)
    voiced = np.asarray(pcm[start:end], dtype=np.float32) / np.float32(FULL_SCALE)
    frames = _frames(np.asarray(pcm, dtype=np.float32) / np.float32(FULL_SCALE))
    window = np.hanning(_POINTS).astype(np.float32)
    power = np.square(np.abs(fft.rfft(frames * window, axis=1)))
    upper = 10.0 * np.log10(np.percentile(power, 95, axis=0) + 1e-20)
    rounding = 10.0 * np.log10(float(np.sum(window**2)) / 12.0 / FULL_SCALE**2) + 4.8  # 95th percentile of noise power
    threshold = max(upper.max() - _BELOW_PEAK_DB, rounding + _ABOVE_ROUNDING_DB)
    present = np.flatnonzero(upper >= threshold)
    total = np.cumsum(power.sum(axis=0))
    bin_hz = SAMPLE_RATE_HZ / _POINTS
    return Acoustics(
        rms_dbfs(voiced), float((present[-1] if len(present) else 0) * bin_hz),
        float(np.searchsorted(total, 0.99 * total[-1]) * bin_hz),
    )  # fmt: skip


def _frames(samples: np.ndarray) -> np.ndarray:
    count = max(1, (len(samples) - _POINTS) // (_POINTS // 2) + 1)
    padded = np.pad(samples, (0, max(0, _POINTS - len(samples))))
    starts = np.arange(count)[:, None] * (_POINTS // 2)
    return padded[starts + np.arange(_POINTS)[None, :]]
