"""The log-mel front end against floating point, and what its mean removal promises, on real speech where there is any."""

from __future__ import annotations

import numpy as np
import pytest

from tinyml.features import LogMel, LogMelSpec

GAINS_DB = (-18, -12, -6, 6, 12)


def _float_log_mel(spec: LogMelSpec, pcm: np.ndarray) -> np.ndarray:
    """float64[frames, mel_bins]: torchaudio's log-mel in dB, samples in [-1, 1)."""
    pytest.importorskip("torch")
    import torch

    from tinyml.data.torchaudio_shim import load_torchaudio

    transform = load_torchaudio().transforms.MelSpectrogram(
        sample_rate=spec.sample_rate_hz, n_fft=512, win_length=spec.frame_samples, hop_length=spec.hop_samples,
        f_min=spec.low_hz, f_max=spec.high_hz, n_mels=spec.mel_bins, power=2.0, center=False, norm=None,
        mel_scale="htk",
    ).double()  # fmt: skip
    padded = np.concatenate([np.zeros(512 - spec.hop_samples), pcm / 32768.0])
    return 10 * np.log10(transform(torch.from_numpy(padded)).numpy().T + 1e-30)


def _scaled(pcm: np.ndarray, peak_dbfs: float) -> np.ndarray:
    return np.rint(pcm * (32767 / np.abs(pcm.astype(float)).max() * 10 ** (peak_dbfs / 20))).astype(np.int16)


@pytest.mark.parametrize("peak_dbfs", [-30, -16, -3])
def test_log_energies_equal_torchaudio(speech: np.ndarray, peak_dbfs: float) -> None:
    spec = LogMelSpec()
    pcm = _scaled(speech, peak_dbfs)
    ours = LogMel(spec).process_log(pcm) * spec.log_unit_db + spec.log_offset_db
    theirs = _float_log_mel(spec, pcm)
    assert ours.shape == theirs.shape and len(ours) >= 3000
    heard = theirs > -150  # frames of digital silence have no logarithm
    near_peak = heard & (theirs > theirs.max(axis=1, keepdims=True) - 50)
    assert np.corrcoef(ours[heard], theirs[heard])[0, 1] >= 0.9999  # must: 0.995
    assert np.abs(ours - theirs)[near_peak].max() <= 0.2  # must: 1.5 dB


def test_log_energies_equal_torchaudio_on_tones_and_noise() -> None:
    spec = LogMelSpec()
    rng = np.random.default_rng(1)
    t = np.arange(16000 * 4) / 16000
    chirp = np.sin(2 * np.pi * (50 * t + 900 * t**2)) * 10 ** (-t)
    pcm = np.rint(20000 * chirp + rng.normal(0, 2, t.size)).astype(np.int16)
    ours = LogMel(spec).process_log(pcm) * spec.log_unit_db + spec.log_offset_db
    assert np.abs(ours - _float_log_mel(spec, pcm)).max() <= 0.2
