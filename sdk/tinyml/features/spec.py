"""What the log-mel front end computes: the one description that the C, its numpy twin and the tests share."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from math import log10

import numpy as np

from tinyml.errors import ProjectError
from tinyml.ir.tensor import QuantParams

FFT_POINTS = 512
STEP_DB = 0.5
LOG_UNITS_PER_OCTAVE = 512  # of power
SPECTRUM_BITS = 6  # the FFT's result is 2^6 times the DFT of a full-scale frame, see fft.h
FIXED_REFERENCE_DBFS = -10.0
FLOOR_ABOVE_ROUNDING_DB = 18.0
RANGE_DB = 40.0
RELEASE_DB_PER_S = 2.0
BASS_HZ = 700.0
BASS_DB_PER_OCTAVE = 6.0
BASS_LIMIT_DB = 12.0


@dataclass(frozen=True)
class LogMelSpec:
    """The integer log-mel front end.

    Frame
        Frame k (from 0) holds the last `frame_ms` up to sample (k + 1) * hop; before the first sample there is
        silence. Periodic Hann window, zero-padded at the front to a 512-point FFT, power spectrum.
    Mel bank
        `mel_bins` triangles of peak 1 (no area normalisation) on the HTK scale, mel = 2595 log10(1 + f / 700),
        with edges equally spaced between `low_hz` and `high_hz`, linear in Hz between edges.
        The same as torchaudio's `melscale_fbanks(257, low_hz, high_hz, mel_bins, rate, norm=None, "htk")`.
    Log
        Base 2, in units of 1/512 (`log_unit_db` = 0.00588 dB of power); `log_offset_db` + `log_unit_db` * value is
        the energy in dB of the same computation in floating point on samples in [-1, 1).
    Levels
        White noise of int16 rounding, seen through each mel filter (`rounding_dbfs`), is the least energy that counts:
        what is lower counts as that. The level of a mel bin is its energy in dB over the rounding noise plus
        `tilt_db`, a fixed weighting that brings fricatives nearer to vowels and keeps rumble from ruling: 10 dB per
        decade of bandwidth, and 6 dB per octave down below 700 Hz, at most 12 dB.
        `process_log` shows log energies without any of this.
    Mean removal
        A moving floor stands 40 dB under the loudest level, of any mel bin, of late (it rises at once, falls by 2 dB/s,
        and starts at 0). Levels under it count as the floor, and means that it overtakes are lifted to it. Then the
        mean of each mel bin is m += a * (level - m), a = max(1 / n, hop / time constant) in the n-th frame: the first
        frames average evenly, there is no other initial state, and afterwards the time constant is
        `mean_time_constant_s`. The feature is level - m.
        So a constant gain cancels from the first frame on, for energies from 20 dB above `floor_dbfs` to within a step:
        what sinks into the rounding noise in pauses at a low gain lies under the moving floor at any gain. A mel bin
        that holds nothing (above 4 kHz in telephone speech) gives 0 to -2 dB (while the floor falls), without noise.
    Output
        int8, 0.5 dB a step, 0 = the bin's mean, saturating. With `mean_removal=False` 0 stands for -10 dB of the
        float energy above.

    Raises: ProjectError for a geometry that the front end cannot compute.
    """

    sample_rate_hz: int = 16000
    frame_ms: float = 32
    hop_ms: float = 20
    mel_bins: int = 40
    low_hz: float = 60.0
    high_hz: float = 7600.0
    mean_removal: bool = True
    mean_time_constant_s: float = 1.0

    def __post_init__(self) -> None:
        def require(condition: bool, what: str, hint: str) -> None:
            if not condition:
                raise ProjectError(f"features: {what}", hint=hint)

        require(8000 <= self.sample_rate_hz <= 48000, f"sample_rate_hz = {self.sample_rate_hz} is not supported",
                "use 8000 to 48000, normally 16000")  # fmt: skip
        require(64 <= self.frame_samples <= FFT_POINTS,
                f"frame_ms = {self.frame_ms} is {self.frame_samples} samples", "use 64 to 512 samples")  # fmt: skip
        require(self.hop_samples % 2 == 0 and 2 <= self.hop_samples <= self.frame_samples,
                f"hop_ms = {self.hop_ms} is {self.hop_samples} samples",
                "use an even number of samples, at most one frame")  # fmt: skip
        require(1 <= self.mel_bins <= 128, f"mel_bins = {self.mel_bins} is not supported", "use 1 to 128, normally 40")
        require(0 <= self.low_hz < self.high_hz <= self.sample_rate_hz / 2,
                f"the band from low_hz = {self.low_hz} to high_hz = {self.high_hz} is not valid",
                f"use 0 <= low_hz < high_hz <= {self.sample_rate_hz // 2}")  # fmt: skip
        require(self.hop_ms / 1000 <= self.mean_time_constant_s <= 60 * self.hop_ms / 20,
                f"mean_time_constant_s = {self.mean_time_constant_s} is not supported", "use about 1")  # fmt: skip
        empty = np.flatnonzero(self.filters.sum(axis=0) == 0)
        require(empty.size == 0, f"{empty.size} of {self.mel_bins} mel bins hold no FFT bin",
                "use fewer mel_bins or a wider band")  # fmt: skip

    @property
    def hop_samples(self) -> int:
        return round(self.sample_rate_hz * self.hop_ms / 1000)

    @property
    def frame_samples(self) -> int:
        return round(self.sample_rate_hz * self.frame_ms / 1000)

    @property
    def quant(self) -> QuantParams:
        """Quantisation of the int8 features, whose unit is dB."""
        return QuantParams((STEP_DB,), 0)

    @property
    def log_unit_db(self) -> float:
        """dB of power in one unit of `LogMel.process_log`."""
        return 10 * log10(2) / LOG_UNITS_PER_OCTAVE

    @property
    def log_offset_db(self) -> float:
        """dB (of float energies, samples in [-1, 1)) of the value 0 of `LogMel.process_log`."""
        return -20 * log10(2.0 ** (15 + SPECTRUM_BITS))

    @property
    def mean_frames(self) -> int:
        """The time constant in frames."""
        return max(1, round(self.mean_time_constant_s * 1000 / self.hop_ms))

    @cached_property
    def window(self) -> np.ndarray:
        """float64[512]: periodic Hann window of `frame_samples`, zeros before it."""
        hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(self.frame_samples) / self.frame_samples)
        return np.concatenate([np.zeros(FFT_POINTS - self.frame_samples), hann])

    @cached_property
    def edges_hz(self) -> np.ndarray:
        """float64[mel_bins + 2]: left foot, peaks and right foot of the triangles."""
        low, high = (2595 * np.log10(1 + f / 700) for f in (self.low_hz, self.high_hz))
        return 700 * (10 ** (np.linspace(low, high, self.mel_bins + 2) / 2595) - 1)

    @cached_property
    def filters(self) -> np.ndarray:
        """float64[257, mel_bins]: the mel filter bank."""
        hz = np.arange(FFT_POINTS // 2 + 1)[:, None] * self.sample_rate_hz / FFT_POINTS
        edges = self.edges_hz
        rise = (hz - edges[None, :-2]) / np.diff(edges)[None, :-1]
        fall = (edges[None, 2:] - hz) / np.diff(edges)[None, 1:]
        return np.maximum(0, np.minimum(rise, fall))

    @cached_property
    def rounding_dbfs(self) -> np.ndarray:
        """float64[mel_bins]: float energy, in dB, of white int16 rounding noise (samples in [-1, 1))."""
        return 10 * np.log10(np.sum(self.window**2) / 12 / 2.0**30 * self.filters.sum(axis=0))

    @property
    def floor_dbfs(self) -> np.ndarray:
        """float64[mel_bins]: 18 dB over `rounding_dbfs`, as white noise of -80 dBFS.

        From 20 dB above it on, the rounding of samples to int16 no longer shows in the features.
        """
        return self.rounding_dbfs + FLOOR_ABOVE_ROUNDING_DB

    @property
    def tilt_db(self) -> np.ndarray:
        """float64[mel_bins]: weight of each mel bin when levels of several bins are compared."""
        width = self.filters.sum(axis=0)
        bass = BASS_DB_PER_OCTAVE * np.log2(self.edges_hz[1:-1] / BASS_HZ)
        return 10 * np.log10(width / width[0]) + np.clip(bass, -BASS_LIMIT_DB, 0)

    @property
    def digest(self) -> str:
        """sha256 over everything that decides the features: this spec and the C that computes them."""
        from tinyml.features.tables import c_files  # tables reads the spec

        return hashlib.sha256(repr((self, sorted(c_files(self).items()))).encode()).hexdigest()
