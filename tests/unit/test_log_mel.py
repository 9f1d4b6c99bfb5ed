"""The log-mel front end: C against its numpy twin, streaming, state, and what a spec refuses."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from tinyml.errors import ProjectError
from tinyml.features import LogMel, LogMelSpec, reference, write_c

SPECS = {
    "default": LogMelSpec(),
    "no mean removal": LogMelSpec(mean_removal=False),
    "short frame": LogMelSpec(frame_ms=25, hop_ms=10, mel_bins=32, low_hz=100, high_hz=8000, mean_time_constant_s=0.5),
    "8 kHz": LogMelSpec(sample_rate_hz=8000, low_hz=80, high_hz=4000, mel_bins=24),
}


def _loudest(spec: LogMelSpec) -> np.ndarray:
    """Square waves in phase with every 16th FFT bin at full scale: the largest values the FFT can meet."""
    n = np.arange(512)
    waves = [np.where(np.cos(2 * np.pi * k * (n - 256 + f) / 512) >= 0, 32767, -32768)
             for k in range(0, 257, 16) for f in (0, 0.5)]  # fmt: skip
    pad = np.zeros(-512 % spec.hop_samples, int)
    return np.concatenate([np.concatenate([pad, w]) for w in waves])


def _signals(spec: LogMelSpec, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    n = 3 * spec.sample_rate_hz
    t = np.arange(n) / spec.sample_rate_hz
    chirp = 20000 * np.sin(2 * np.pi * (50 * t + spec.sample_rate_hz / 2 / 6 * t**2)) * np.exp(-3 * (t % 0.7))
    parts = [
        _loudest(spec),
        rng.integers(-32768, 32768, n),
        np.zeros(n // 3),
        rng.integers(-1, 2, n // 2),
        chirp,
        rng.normal(0, 300, n) * (t % 1 < 0.4),
        np.full(n // 6, -32768),
        rng.integers(-400, 400, n // 2) + 3000,
    ]
    return np.concatenate(parts).astype(np.int16)


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_c_equals_the_numpy_twin(spec: LogMelSpec) -> None:
    pcm = _signals(spec, 1)
    front_end = LogMel(spec)
    assert np.array_equal(front_end.process_log(pcm), reference.log_energies(spec, pcm))
    features = front_end.process(pcm)
    assert features.dtype == np.int8 and features.shape == (pcm.size // spec.hop_samples, spec.mel_bins)
    assert np.array_equal(features, reference.log_mel(spec, pcm))


def test_a_stream_in_pieces_gives_the_same_features() -> None:
    pcm = _signals(LogMelSpec(), 2)[:40000]
    whole = LogMel().process(pcm)
    front_end = LogMel()
    rng = np.random.default_rng(3)
    pieces, start = [], 0
    while start < pcm.size:
        size = int(rng.integers(0, 1500))
        pieces.append(front_end.process(pcm[start : start + size]))
        start += size
    assert np.array_equal(np.concatenate(pieces), whole)
    front_end.reset()
    assert np.array_equal(front_end.process(pcm), whole)


def test_samples_need_no_word_alignment_and_no_contiguity() -> None:
    pcm = _signals(LogMelSpec(), 4)[:16001]
    expected = LogMel().process(pcm[1:].copy())
    assert np.array_equal(LogMel().process(pcm[1:]), expected)
    assert np.array_equal(LogMel().process(np.repeat(pcm[1:], 2)[::2]), expected)


def test_the_two_streams_of_a_binding_are_independent() -> None:
    pcm = _signals(LogMelSpec(), 5)[:32000]
    front_end = LogMel()
    first = front_end.process(pcm[:16000])
    front_end.process_log(pcm)
    assert np.array_equal(np.concatenate([first, front_end.process(pcm[16000:])]), LogMel().process(pcm))


def test_a_pickled_binding_starts_afresh() -> None:
    pcm = _signals(LogMelSpec(), 6)[:16000]
    front_end = LogMel(LogMelSpec(mel_bins=30))
    expected = front_end.process(pcm)
    assert np.array_equal(pickle.loads(pickle.dumps(front_end)).process(pcm), expected)


@pytest.mark.parametrize("pcm", [np.zeros(320, np.float32), np.zeros((1, 320), np.int16)])
def test_other_sample_types_are_refused(pcm: np.ndarray) -> None:
    with pytest.raises(TypeError, match="vector of int16"):
        LogMel().process(pcm)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"frame_ms": 64}, "frame_ms"),
        ({"hop_ms": 40}, "hop_ms"),
        ({"mel_bins": 0}, "mel_bins"),
        ({"mel_bins": 128, "low_hz": 0}, "no FFT bin"),
        ({"high_hz": 9000}, "high_hz"),
        ({"sample_rate_hz": 96000}, "sample_rate_hz"),
        ({"mean_time_constant_s": 0}, "mean_time_constant_s"),
    ],
)
def test_impossible_specs_are_refused(change: dict, what: str) -> None:
    with pytest.raises(ProjectError, match=what) as error:
        LogMelSpec(**change)
    assert error.value.hint


def test_written_sources_are_stable_and_follow_the_spec(tmp_path) -> None:
    first = write_c(LogMelSpec(), tmp_path / "a")
    stamps = {p: p.stat().st_mtime_ns for p in first.include_dir.iterdir()}
    assert write_c(LogMelSpec(), tmp_path / "a") == first
    assert {p: p.stat().st_mtime_ns for p in first.include_dir.iterdir()} == stamps
    assert "#define TM_LOG_MEL_HOP_SAMPLES 320" in (first.include_dir / "log_mel_config.h").read_text()
    assert LogMelSpec().digest == LogMelSpec().digest != LogMelSpec(low_hz=50).digest
