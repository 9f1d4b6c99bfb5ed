"""The log-mel front end against floating point, and what its mean removal promises, on real speech."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import scipy.signal
import soundfile

from tinyml.features import LogMel, LogMelSpec, reference

GAINS_DB = (-18, -12, -6, 6, 12)


@pytest.fixture(scope="module")
def speech(shared_dir: Path) -> np.ndarray:
    """60 s of three kinds of recordings of many people, in their own levels and background."""
    parts = []
    for folder in ("coffee_orders", "ljspeech", "mycroft"):
        files = sorted((shared_dir / "data" / "negative_speech" / folder).glob("*.flac"))[::7]
        parts.append(np.concatenate([soundfile.read(f, dtype="int16")[0] for f in files])[: 20 * 16000])
    pcm = np.concatenate(parts)
    assert pcm.size == 60 * 16000
    return pcm


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
    assert np.corrcoef(ours[heard], theirs[heard])[0, 1] >= 0.99999  # must: 0.995
    assert np.abs(ours - theirs)[near_peak].max() <= 0.05  # must: 1.5 dB


def test_log_energies_equal_torchaudio_on_tones_and_noise() -> None:
    spec = LogMelSpec()
    rng = np.random.default_rng(1)
    t = np.arange(16000 * 4) / 16000
    chirp = np.sin(2 * np.pi * (50 * t + 900 * t**2)) * 10 ** (-t)
    pcm = np.rint(20000 * chirp + rng.normal(0, 2, t.size)).astype(np.int16)
    ours = LogMel(spec).process_log(pcm) * spec.log_unit_db + spec.log_offset_db
    assert np.abs(ours - _float_log_mel(spec, pcm)).max() <= 0.05


@pytest.mark.parametrize("recording", ["speech", "pauses of digital silence", "telephone"])
def test_gain_changes_features_by_at_most_one_step(speech: np.ndarray, recording: str) -> None:
    spec = LogMelSpec()
    sound = speech.astype(float)
    if recording == "pauses of digital silence":  # a word every two seconds, as from a noise gate
        sound = sound * (np.arange(sound.size) % 32000 < 9600)
    if recording == "telephone":
        sound = scipy.signal.sosfilt(scipy.signal.butter(8, 3400, fs=16000, output="sos"), sound)
    sound *= 32767 / np.abs(sound).max() * 10 ** (-12.1 / 20)

    def at(gain_db: float) -> tuple[np.ndarray, np.ndarray]:
        pcm = np.rint(sound * 10 ** (gain_db / 20)).astype(np.int16)
        front_end = LogMel(spec)
        log_db = front_end.process_log(pcm) * spec.log_unit_db + spec.log_offset_db
        return front_end.process(pcm).astype(int)[50:], (log_db >= spec.floor_dbfs + 20)[50:]

    features, clear = at(0)
    for gain_db in GAINS_DB:
        other, other_clear = at(gain_db)
        compared = clear & other_clear
        assert compared.mean() > 0.04
        assert np.abs(features - other)[compared].max() <= 1, f"{gain_db} dB"


def test_an_empty_band_stays_near_zero(speech: np.ndarray) -> None:
    """Speech that was sampled at 8 kHz has nothing but rounding noise above 4 kHz."""
    spec = LogMelSpec()
    low = scipy.signal.resample_poly(scipy.signal.resample_poly(speech[: 16000 * 10].astype(float), 1, 2), 2, 1)
    pcm = np.rint(low * 8000 / np.abs(low).max()).astype(np.int16)
    empty = spec.edges_hz[:-2] > 4300
    assert empty.sum() >= 6
    features = LogMel(spec).process(pcm)[50:]
    assert np.abs(features[:, empty]).max() <= 4  # the mean follows the falling floor 2 dB behind
    assert np.abs(features[:, ~empty]).max() > 40


def test_the_mean_has_the_stated_time_constant() -> None:
    """Noise that becomes 20 dB louder: the step has decayed to 1/e after one time constant."""
    spec = LogMelSpec()
    rng = np.random.default_rng(2)
    levels = np.repeat([100.0, 1000.0], 16000 * 5)
    features = LogMel(spec).process(np.rint(rng.normal(0, levels)).astype(np.int16)).mean(axis=1) * spec.quant.scale
    assert abs(features[200:250].mean()) < 0.5
    assert features[251] == pytest.approx(20, abs=1)
    assert features[299:303].mean() == pytest.approx(20 / np.e, abs=1)


def test_without_mean_removal_features_are_the_log_energies(speech: np.ndarray) -> None:
    spec = LogMelSpec(mean_removal=False)
    front_end = LogMel(spec)
    pcm = speech[: 16000 * 5]
    log_db = front_end.process_log(pcm) * spec.log_unit_db + spec.log_offset_db
    expected = np.maximum(log_db, spec.rounding_dbfs) + 10
    features = front_end.process(pcm) * spec.quant.scale
    assert np.abs(features - np.clip(expected, -64, 63.5)).max() <= 0.26


def test_c_equals_the_numpy_twin_on_speech(speech: np.ndarray) -> None:
    spec = LogMelSpec()
    assert np.array_equal(LogMel(spec).process(speech), reference.log_mel(spec, speech))
