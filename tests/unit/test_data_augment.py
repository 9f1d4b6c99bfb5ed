"""Each effect does what it says, measured; streams and windows place the word where they claim."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tinyml.data import augment as effects
from tinyml.data.pcm import FULL_SCALE, rms_dbfs, to_int16, voiced_bounds, word_bounds
from tinyml.data.stream import NoiseBank, StreamSpec, evaluation_stream, silence_stream, training_stream
from tinyml.data.windows import Cutter

RATE_HZ = 16000


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.fixture(scope="module")
def bank() -> NoiseBank:
    return NoiseBank(1, seconds=3.0)


def spectrum_db(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    power = np.square(np.abs(np.fft.rfft(samples * np.hanning(len(samples)))))
    return np.fft.rfftfreq(len(samples), 1 / RATE_HZ), 10 * np.log10(power + 1e-12)


def word(rng: np.random.Generator, seconds: float = 0.4) -> np.ndarray:
    """A burst of noise with silence around it, int16."""
    count = int(seconds * RATE_HZ)
    burst = 0.1 * effects.coloured_noise(count, 1.0, rng)
    return to_int16(np.concatenate([np.zeros(3200), burst, np.zeros(4800)]))


@pytest.mark.parametrize(("colour", "per_octave_db"), [("white", 0), ("pink", -3), ("brown", -6), ("blue", 3)])
def test_noise_colours(colour: str, per_octave_db: float, rng: np.random.Generator) -> None:
    noise = effects.coloured_noise(1 << 16, effects.NOISE_COLOURS[colour], rng)
    assert rms_dbfs(noise) == pytest.approx(0, abs=0.01)
    hz, level = spectrum_db(noise)
    low, high = (level[(hz > f / 1.2) & (hz < f * 1.2)].mean() for f in (500, 4000))
    assert (high - low) / 3 == pytest.approx(per_octave_db, abs=0.5)


def test_noise_at_a_drawn_snr(rng: np.random.Generator) -> None:
    clean = effects.coloured_noise(RATE_HZ, 1.0, rng) * 0.05
    for snr_db in (0.0, 12.0, 30.0):
        noisy = effects.add_noise(clean, rng.standard_normal(RATE_HZ), snr_db)
        assert rms_dbfs(clean) - rms_dbfs(noisy - clean) == pytest.approx(snr_db, abs=0.01)
    silent = np.zeros(100, np.float32)
    assert not np.any(effects.set_level(silent, -20.0))


def low_pass(cutoff_hz: float, order: float) -> Callable[[np.ndarray], np.ndarray]:
    return lambda hz: effects.low_pass_response(hz, cutoff_hz, order)


@pytest.mark.parametrize("cutoff_hz", [3400.0, 5000.0, 7000.0])
def test_band_limiting(cutoff_hz: float, rng: np.random.Generator) -> None:
    hz, level = spectrum_db(effects.filtered(rng.standard_normal(1 << 15), low_pass(cutoff_hz, 12)))
    passed = level[(hz > 500) & (hz < 0.8 * cutoff_hz)].mean()
    at_cutoff = level[np.abs(hz / cutoff_hz - 1) < 0.02].mean()
    assert at_cutoff - passed == pytest.approx(-3, abs=1)
    assert level[hz > min(1.12 * cutoff_hz, 7800)].mean() - passed < -10


@pytest.mark.parametrize("factor", [0.8, 1.0, 1.25])
def test_speed_moves_length_and_pitch(factor: float) -> None:
    tone = np.sin(2 * np.pi * 1000 * np.arange(RATE_HZ) / RATE_HZ).astype(np.float32)
    fast = effects.change_speed(tone, factor)
    assert len(fast) == round(RATE_HZ / factor)
    middle = fast[2000:10000]
    hz, level = spectrum_db(middle)
    assert hz[np.argmax(level)] == pytest.approx(1000 * factor, abs=3)
    assert np.sqrt(np.mean(middle**2)) == pytest.approx(np.sqrt(0.5), rel=0.02)


def test_reverberation_decays_by_60_db(rng: np.random.Generator) -> None:
    response = effects.impulse_response(0.4, rng)
    assert response[0] == 1.0 and len(response) == 6400
    early, late = (np.mean(np.square(response[a:b])) for a, b in ((1600, 2400), (4800, 5600)))
    assert 10 * np.log10(early / late) == pytest.approx(60 * 3200 / 6400, abs=4)
    wet = effects.reverberate(np.ones(1000, np.float32), response)
    assert len(wet) == 7399
    np.testing.assert_allclose(wet, np.convolve(np.ones(1000), response), atol=1e-3)


def test_evaluation_stream_is_the_protocol(rng: np.random.Generator) -> None:
    pcm = word(rng)
    stream = evaluation_stream(pcm, rng)
    assert np.array_equal(stream[RATE_HZ : RATE_HZ + len(pcm)], pcm)
    assert len(stream) == len(pcm) + 24000
    for noise in (stream[:RATE_HZ], stream[-8000:]):
        assert rms_dbfs(noise / FULL_SCALE) == pytest.approx(-60, abs=0.3)


def test_training_streams_cover_the_levels_and_tell_the_place(rng: np.random.Generator, bank: NoiseBank) -> None:
    quiet = StreamSpec(
        background_dbfs=(-75, -74),
        noise_probability=0,
        reverb_probability=0,
        neighbour_probability=0,
        recording_noise_probability=0,
    )
    levels, starts = [], set()
    pcm = word(rng)
    for _ in range(150):
        stream = training_stream(pcm, rng, bank, quiet, lambda _: None)
        inside = stream.pcm[stream.start : stream.end] / FULL_SCALE
        levels.append(rms_dbfs(inside))
        starts.add(stream.start // 1600)
        assert stream.word_only and 0.3 * RATE_HZ <= stream.start <= 2.3 * RATE_HZ
        assert len(stream.pcm) - stream.end >= 0.99 * RATE_HZ
        if levels[-1] > -35:
            start, end = voiced_bounds(stream.pcm, 20.0)
            assert (start, end) == pytest.approx((stream.start, stream.end), abs=800)
    assert min(levels) < -36 and -7 < max(levels) < 0.5
    assert len(starts) > 10


def test_neighbours_stand_beside_the_word(rng: np.random.Generator, bank: NoiseBank) -> None:
    crowded = StreamSpec(
        neighbour_probability=1.0, preroll_s=(1.5, 2.0), background_dbfs=(-75, -74), noise_probability=0
    )
    stream = training_stream(word(rng), rng, bank, crowded, lambda r: word(r))
    before = stream.pcm[: stream.start - 800] / FULL_SCALE
    assert not stream.word_only and np.abs(before).max() > 0.003


def test_silence_is_not_all_alike(rng: np.random.Generator, bank: NoiseBank) -> None:
    levels = [rms_dbfs(silence_stream(1.0, rng, bank, StreamSpec()) / FULL_SCALE) for _ in range(60)]
    assert min(levels) < -60 and max(levels) > -40
    recorded = NoiseBank(1, recorded=(np.ones(1600, np.int16),), seconds=1.0)
    cuts = [recorded.cut(100, rng) for _ in range(20)]
    assert 3 < sum(np.allclose(c, 1.0) for c in cuts) < 17


def test_word_bounds_find_a_word_in_noise(rng: np.random.Generator) -> None:
    pcm = word(rng, 0.5).astype(np.float64)
    assert word_bounds(pcm.astype(np.int16)) == pytest.approx((3200, 11200), abs=160)
    long = np.pad(pcm, 16000) + effects.background_noise(32000 + len(pcm), -46, rng)
    assert word_bounds(long.astype(np.int16)) == pytest.approx((19200, 27200), abs=800)


def test_windows_hold_the_word_wherever_it_lies(rng: np.random.Generator) -> None:
    cutter = Cutter(49, 320)
    start, end = 20000, 28000  # frames 62 to 88
    firsts = [cutter.word(start, end, rng) for _ in range(500)]
    assert min(firsts) == 88 - 49 - 3 and max(firsts) == 62 + 3
    assert len(set(firsts)) == max(firsts) - min(firsts) + 1
    for _ in range(100):
        first = cutter.fragment_of(start, end, rng)
        shown = min(first + 49, 88) - max(first, 62)
        assert 1 <= shown <= 0.36 * 26
        assert cutter.after(end, rng) >= 88
    assert abs(cutter.word(0, 32000, rng) + 24 - 50) <= 6  # longer than the window: its middle
    features = np.arange(200)[:, None] * np.ones((1, 2), int)
    padded = cutter.padded(features)
    assert cutter.cut(padded, 5)[:, 0].tolist() == list(range(5, 54))
    assert cutter.cut(padded, -10)[:11, 0].tolist() == [0] * 11
    assert cutter.cut(padded, 1000)[-1, 0] == 199
