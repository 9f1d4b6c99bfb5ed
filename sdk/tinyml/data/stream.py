"""From a clip to what a microphone that was already listening would hear, as int16 at 16 kHz.

`evaluation_stream` is the fixed protocol for judging; `training_stream` draws everything: the room, the microphone, the
level, the noise before, under and after the word, and other words around it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tinyml.data import augment as effects
from tinyml.data.pcm import FULL_SCALE, SAMPLE_RATE_HZ, to_int16, voiced_bounds, word_bounds

Range = tuple[float, float]
MIN_CLIP_SAMPLES = SAMPLE_RATE_HZ // 20


@dataclass(frozen=True)
class StreamSpec:
    """Ranges and probabilities of the training streams. Levels are RMS in dBFS, of the word: over its voiced part.

    Half of the words are band-limited because telephones, headsets and many data sets are, and half of those as at a
    sample rate of 8 kHz; a third are inserted into the noise instead of added to it, because that is what a trimmed
    recording in a stream looks like.
    """

    preroll_s: Range = (0.3, 2.0)
    tail_s: float = 1.0
    level_dbfs: Range = (-40.0, -3.0)
    background_dbfs: Range = (-75.0, -35.0)
    least_snr_db: float = 3.0
    noise_probability: float = 0.5
    snr_db: Range = (2.0, 30.0)
    recording_noise_probability: float = 0.3
    recording_snr_db: Range = (12.0, 40.0)
    reverb_probability: float = 0.4
    rt60_s: Range = (0.08, 0.6)
    band_limit_probability: float = 0.5
    band_limit_hz: Range = (3400.0, 8000.0)
    narrow_share: float = 0.5
    narrow_hz: Range = (3400.0, 4000.0)
    speed: Range = (0.85, 1.2)
    speed_probability: float = 0.7
    microphone_probability: float = 0.8
    inserted_probability: float = 0.33
    neighbour_probability: float = 0.25
    neighbour_gap_s: Range = (0.05, 0.6)


@dataclass(frozen=True)
class Stream:
    """int16 samples with a word whose voiced part is [start, end); `word_only` when no other word is near it."""

    pcm: np.ndarray
    start: int
    end: int
    word_only: bool = True


@dataclass(frozen=True, eq=False)
class NoiseBank:
    """20 s each of several noises of unit RMS, made from a seed once per process and cut at random places.

    `recorded` int16 noises, where there are any, make up half of all cuts.
    """

    seed: int
    recorded: tuple[np.ndarray, ...] = ()
    seconds: float = 20.0

    @cached_property
    def noises(self) -> tuple[np.ndarray, ...]:
        rng = np.random.default_rng([self.seed, 0x6E6F])
        count = int(self.seconds * SAMPLE_RATE_HZ)
        stationary = [effects.coloured_noise(count, a, rng) for a in effects.NOISE_COLOURS.values()]
        return (*stationary, self._hum(count, rng), self._murmur(count, rng), self._knocks(count, rng))

    @cached_property
    def _recorded(self) -> tuple[np.ndarray, ...]:
        return tuple(_unit(np.asarray(pcm, np.float64)) for pcm in self.recorded if np.any(pcm))

    def cut(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """float32[count], about unit RMS; the bank is repeated where `count` exceeds it."""
        group = self._recorded if self._recorded and rng.random() < 0.5 else self.noises
        noise = group[int(rng.integers(len(group)))]
        first = int(rng.integers(len(noise)))
        return np.take(noise, np.arange(first, first + count), mode="wrap")

    @staticmethod
    def _hum(count: int, rng: np.random.Generator) -> np.ndarray:
        """Mains harmonics and their motor over pink noise."""
        time_s = np.arange(count) / SAMPLE_RATE_HZ
        base_hz = float(rng.choice((50.0, 60.0)))
        fall = rng.uniform(0.7, 1.5)
        hum = sum(np.sin(2 * np.pi * (base_hz * k * time_s + rng.random())) / k**fall for k in range(1, 40))
        return _unit(hum / np.std(hum) + 0.5 * effects.coloured_noise(count, 1.0, rng))

    @staticmethod
    def _murmur(count: int, rng: np.random.Generator) -> np.ndarray:
        """Speech-shaped noise with the slow modulation of several voices."""
        carrier = effects.filtered(
            rng.standard_normal(count, dtype=np.float32), lambda hz: effects.low_pass_response(hz, 900.0, 1.5)
        )
        slow = effects.filtered(
            rng.standard_normal(count, dtype=np.float32), lambda hz: effects.low_pass_response(hz, 4.0, 2.0)
        )
        return _unit(carrier * (0.3 + np.abs(slow) / np.std(slow)))

    @staticmethod
    def _knocks(count: int, rng: np.random.Generator) -> np.ndarray:
        """Short resonant knocks, two a second, over faint pink noise."""
        track = 0.1 * effects.coloured_noise(count, 1.0, rng)
        for _ in range(2 * count // SAMPLE_RATE_HZ):
            length = int(rng.uniform(0.01, 0.12) * SAMPLE_RATE_HZ)
            at = int(rng.integers(count - length))
            time_s = np.arange(length) / SAMPLE_RATE_HZ
            ring = np.sin(2 * np.pi * rng.uniform(150, 5000) * time_s) + rng.standard_normal(length)
            track[at : at + length] += rng.uniform(0.5, 3.0) * ring * np.exp(-time_s * rng.uniform(40, 300))
        return _unit(track)


def _unit(noise: np.ndarray) -> np.ndarray:
    return (noise / np.sqrt(np.mean(np.square(noise)))).astype(np.float32)


def evaluation_stream(pcm: np.ndarray, rng: np.random.Generator, *, noise_dbfs: float = -60.0) -> np.ndarray:
    """The judging protocol: 1 s of white noise, the clip as it is, 0.5 s of noise. int16 in, int16 out."""
    before = effects.background_noise(SAMPLE_RATE_HZ, noise_dbfs, rng)
    after = effects.background_noise(SAMPLE_RATE_HZ // 2, noise_dbfs, rng)
    return np.concatenate([to_int16(before / FULL_SCALE), pcm, to_int16(after / FULL_SCALE)])


def plain_stream(pcm: np.ndarray, rng: np.random.Generator) -> Stream:
    """`evaluation_stream` with the place of the word, and half a second more of noise so that windows can move."""
    start, end = word_bounds(pcm)
    judged = evaluation_stream(pcm, rng)
    more = to_int16(effects.background_noise(SAMPLE_RATE_HZ // 2, -60.0, rng) / FULL_SCALE)
    stream = np.concatenate([judged, more])
    return Stream(stream, SAMPLE_RATE_HZ + start, SAMPLE_RATE_HZ + end)


def silence_stream(seconds: float, rng: np.random.Generator, bank: NoiseBank, spec: StreamSpec) -> np.ndarray:
    """int16: background noise, and in half of the cases a louder noise that comes and goes."""
    count = int(seconds * SAMPLE_RATE_HZ)
    samples = bank.cut(count, rng) * _amplitude(rng.uniform(*spec.background_dbfs))
    if rng.random() < 0.5:
        first, last = sorted(rng.integers(0, count, size=2))
        fade = np.zeros(count, dtype=np.float32)
        fade[first:last] = np.hanning(last - first) ** rng.uniform(0.1, 1.0) if last > first else 0.0
        samples = samples + bank.cut(count, rng) * fade * _amplitude(rng.uniform(-55.0, -10.0))
    return to_int16(samples)


def training_stream(
    pcm: np.ndarray,
    rng: np.random.Generator,
    bank: NoiseBank,
    spec: StreamSpec,
    neighbour: Callable[[np.random.Generator], np.ndarray | None],
    *,
    extra_tail_s: float = 0.0,
) -> Stream:
    """The word as a drawn device in a drawn room would hear it. `neighbour` gives another word (int16) or None."""
    level = _draw_level(rng, spec)
    word, start, end = _spoken(pcm, rng, bank, spec, level)
    before = int(rng.uniform(*spec.preroll_s) * SAMPLE_RATE_HZ)
    tail = spec.tail_s + extra_tail_s
    count = before + len(word) + int(tail * SAMPLE_RATE_HZ)
    samples = np.zeros(count, dtype=np.float32)
    word_only = not _place_neighbours(samples, before, before + len(word), rng, spec, neighbour, level)
    noise = _surroundings(count, level, rng, bank, spec)
    if rng.random() < spec.inserted_probability:
        noise[before : before + len(word)] = 0.0
    samples += noise
    samples[before : before + len(word)] += word
    return Stream(to_int16(samples), before + start, before + end, word_only)


def _spoken(
    pcm: np.ndarray, rng: np.random.Generator, bank: NoiseBank, spec: StreamSpec, level: float
) -> tuple[np.ndarray, int, int]:
    """Trimmed, noisy, sped up, filtered, reverberated, levelled; and where its voiced part lies."""
    first, last = word_bounds(pcm)
    tight = rng.random() < 0.4
    margins = (rng.random(2) * SAMPLE_RATE_HZ * (0.03 if tight else 0.15)).astype(int)
    cut = max(0, first - int(margins[0]))
    word = pcm[cut : last + int(margins[1])].astype(np.float32) / np.float32(FULL_SCALE)
    start, end = first - cut, last - cut
    if rng.random() < spec.recording_noise_probability:
        word = effects.add_noise(word, bank.cut(len(word), rng), rng.uniform(*spec.recording_snr_db))
    if rng.random() < spec.speed_probability:
        factor = rng.uniform(*spec.speed)
        word, start, end = effects.change_speed(word, factor), round(start / factor), round(end / factor)
    responses = []
    if rng.random() < spec.band_limit_probability:
        band_hz = spec.narrow_hz if rng.random() < spec.narrow_share else spec.band_limit_hz
        cutoff_hz, order = rng.uniform(*band_hz), rng.uniform(4.0, 60.0)
        responses.append(lambda hz: effects.low_pass_response(hz, cutoff_hz, order))
    if rng.random() < spec.microphone_probability:
        responses.append(lambda hz: effects.microphone_response(hz, rng))
    if responses:
        word = effects.filtered(word, *responses)
    if rng.random() < spec.reverb_probability:
        word = effects.reverberate(word, effects.impulse_response(rng.uniform(*spec.rt60_s), rng))
    end = max(end, start + MIN_CLIP_SAMPLES)
    return effects.set_level(word, level, word[start:end]), start, min(end, len(word))


def _draw_level(rng: np.random.Generator, spec: StreamSpec) -> float:
    """Half uniform over all levels, half near the usual -22 dBFS."""
    if rng.random() < 0.5:
        return rng.uniform(*spec.level_dbfs)
    return float(np.clip(rng.normal(-22.0, 6.0), *spec.level_dbfs))


def _surroundings(count: int, level: float, rng: np.random.Generator, bank: NoiseBank, spec: StreamSpec) -> np.ndarray:
    """A steady background, and sometimes a second noise at a drawn SNR."""
    background = min(rng.uniform(*spec.background_dbfs), level - spec.least_snr_db)
    noise = bank.cut(count, rng) * _amplitude(background)
    if rng.random() < spec.noise_probability:
        noise = noise + bank.cut(count, rng) * _amplitude(level - rng.uniform(*spec.snr_db))
    return noise


def _place_neighbours(
    samples: np.ndarray,
    start: int,
    end: int,
    rng: np.random.Generator,
    spec: StreamSpec,
    neighbour: Callable[[np.random.Generator], np.ndarray | None],
    level: float,
) -> bool:
    """Maybe put another word before, maybe one after; True when one was put."""
    placed = False
    for after in (False, True):
        if rng.random() >= (spec.neighbour_probability / 3 if after else spec.neighbour_probability):
            continue
        other = neighbour(rng)
        gap = int(rng.uniform(*spec.neighbour_gap_s) * SAMPLE_RATE_HZ)
        if other is None:
            continue
        first, last = voiced_bounds(other)
        speech = effects.set_level(other[first:last] / np.float32(FULL_SCALE), level + rng.uniform(-8.0, 4.0))
        if after:
            speech = speech[: max(0, len(samples) - end - gap)]
            samples[end + gap : end + gap + len(speech)] += speech
        else:
            stop = max(0, start - gap)
            speech = speech[max(0, len(speech) - stop) :]
            samples[stop - len(speech) : stop] += speech
        placed = placed or len(speech) > 0
    return placed


def _amplitude(dbfs: float) -> np.float32:
    return np.float32(10.0 ** (dbfs / 20.0))
