"""What happens to a word between a mouth and a converter: each effect is one function on float samples.

Samples are float32 in [-1, 1) at 16 kHz. Every random choice comes from the generator passed in. Shifts in time are
not here: a word lies where the preroll and the window put it (`stream`, `windows`).
"""

from __future__ import annotations

import numpy as np
from scipy import fft

from tinyml.data.pcm import FULL_SCALE, SAMPLE_RATE_HZ, SILENCE_DBFS, rms_dbfs

NOISE_COLOURS = {"white": 0.0, "pink": 1.0, "brown": 2.0, "blue": -1.0}
"""Name -> exponent a of a power spectrum that falls as 1 / f^a."""
_LOWEST_HZ = 40.0
_SPEED_OF_SOUND_M_S = 343.0


def coloured_noise(count: int, exponent: float, rng: np.random.Generator) -> np.ndarray:
    """float32[count] of unit RMS whose power falls as 1 / f^exponent above 40 Hz (flat below)."""
    size = fft.next_fast_len(max(count, 2), real=True)
    spectrum = fft.rfft(rng.standard_normal(size, dtype=np.float32))
    hz = np.maximum(fft.rfftfreq(size, 1.0 / SAMPLE_RATE_HZ), _LOWEST_HZ)
    noise = fft.irfft(spectrum * (hz ** (-exponent / 2.0)).astype(np.float32), size)[:count]
    return noise / np.float32(np.sqrt(np.mean(np.square(noise))) + 1e-12)


def background_noise(count: int, dbfs: float, rng: np.random.Generator, *, exponent: float = 0.0) -> np.ndarray:
    """float64[count] in units of int16 steps: stationary noise of `dbfs` RMS, white or 1 / f^exponent."""
    noise = coloured_noise(count, exponent, rng).astype(np.float64) if exponent else rng.standard_normal(count)
    return noise * (FULL_SCALE * 10.0 ** (dbfs / 20.0))


def set_level(samples: np.ndarray, dbfs: float, reference: np.ndarray | None = None) -> np.ndarray:
    """Scale so that `reference` (default: all samples) has `dbfs` RMS; digital silence stays as it is.

    Peaks may then exceed full scale: the converter clips them.
    """
    present = rms_dbfs(samples if reference is None else reference)
    if present <= SILENCE_DBFS:
        return samples
    return samples * np.float32(10.0 ** ((dbfs - present) / 20.0))


def add_noise(samples: np.ndarray, noise: np.ndarray, snr_db: float) -> np.ndarray:
    """Add `noise` (same length) at a signal-to-noise ratio over the whole of `samples`."""
    return samples + set_level(noise, rms_dbfs(samples) - snr_db)


def change_speed(samples: np.ndarray, factor: float) -> np.ndarray:
    """Play `factor` times as fast: shorter, and pitch and formants rise with it. Band-limited resampling by FFT."""
    size = fft.next_fast_len(len(samples) + 64, real=True)
    size += size % 2
    new_size = 2 * round(size / factor / 2)
    spectrum = fft.rfft(samples, size)
    bins = new_size // 2 + 1
    resized = np.zeros(bins, dtype=spectrum.dtype)
    resized[: min(bins, len(spectrum))] = spectrum[:bins]
    return fft.irfft(resized, new_size)[: round(len(samples) / factor)] * np.float32(new_size / size)


def low_pass_response(hz: np.ndarray, cutoff_hz: float, order: float) -> np.ndarray:
    """Magnitude of a Butterworth low pass: -3 dB at `cutoff_hz`, 6 * `order` dB per octave beyond."""
    return 1.0 / np.sqrt(1.0 + (hz / cutoff_hz) ** (2.0 * order))


def microphone_response(hz: np.ndarray, rng: np.random.Generator, tilt_db: float = 6.0) -> np.ndarray:
    """Magnitude of a drawn microphone: a high pass at 30-250 Hz, a spectral tilt, one broad bump or dip."""
    octaves = np.log2(np.maximum(hz, 60.0) / 1000.0)
    curve_db = rng.uniform(-tilt_db, tilt_db) * octaves / 3.0
    centre, width = rng.uniform(-3.0, 2.8), rng.uniform(0.4, 1.2)
    curve_db = curve_db + rng.uniform(-tilt_db, tilt_db) * np.exp(-(((octaves - centre) / width) ** 2))
    corner_hz = rng.uniform(30.0, 250.0)
    high_pass = 1.0 / np.sqrt(1.0 + (corner_hz / np.maximum(hz, 1.0)) ** 4)
    return 10.0 ** (curve_db / 20.0) * high_pass


def filtered(samples: np.ndarray, *responses: object) -> np.ndarray:
    """Zero-phase filtering by the product of magnitude responses; each is a function of frequency in Hz [bins]."""
    size = fft.next_fast_len(len(samples) + 512, real=True)
    spectrum = fft.rfft(samples, size)
    hz = fft.rfftfreq(size, 1.0 / SAMPLE_RATE_HZ)
    for response in responses:
        spectrum *= response(hz).astype(np.float32)  # type: ignore[operator]
    return fft.irfft(spectrum, size)[: len(samples)]


def impulse_response(rt60_s: float, rng: np.random.Generator) -> np.ndarray:
    """A synthesised room: the direct sound, 4-10 early reflections, and noise that falls by 60 dB in `rt60_s`.

    Starts with the direct sound (1.0 at sample 0). The reverberant tail has -12 to +3 dB of the direct energy.
    """
    count = max(64, int(rt60_s * SAMPLE_RATE_HZ))
    time_s = np.arange(count) / SAMPLE_RATE_HZ
    tail = rng.standard_normal(count) * 10.0 ** (-3.0 * time_s / rt60_s)
    onset = int(rng.uniform(0.004, 0.02) * SAMPLE_RATE_HZ)
    tail[: min(onset, count)] = 0.0
    tail *= 10.0 ** (rng.uniform(-12.0, 3.0) / 20.0) / (np.sqrt(np.sum(np.square(tail))) + 1e-9)
    for _ in range(int(rng.integers(4, 11))):
        detour_m = rng.uniform(0.5, 12.0)
        at = int(detour_m / _SPEED_OF_SOUND_M_S * SAMPLE_RATE_HZ)
        if at < count:
            tail[at] += rng.choice((-1.0, 1.0)) * rng.uniform(0.2, 0.7) / (1.0 + 0.3 * detour_m)
    tail[0] = 1.0
    return tail.astype(np.float32)


def reverberate(samples: np.ndarray, response: np.ndarray) -> np.ndarray:
    """Convolve; the result is longer by the response."""
    count = len(samples) + len(response) - 1
    size = fft.next_fast_len(count, real=True)
    return fft.irfft(fft.rfft(samples, size) * fft.rfft(response, size), size)[:count]
