"""A stream of held-out recordings for the microphone, and how well an image heard it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tinyml.data.augment import background_noise
from tinyml.data.manifest import Clip, Manifest
from tinyml.data.pcm import load_pcm
from tinyml.evaluate.console import Detection

LATE_MS = 900
"""A detection counts for a word until this long after its end: window, smoothing and inference period."""


@dataclass(frozen=True)
class Spoken:
    """One recording in the stream: its label ("unknown" must not be detected) and its place in time."""

    label: str
    start_ms: int
    end_ms: int


@dataclass(frozen=True)
class Stimulus:
    """Microphone input (int16, mono) and what is spoken in it."""

    pcm: np.ndarray
    rate_hz: int
    spoken: tuple[Spoken, ...]


@dataclass(frozen=True)
class Heard:
    """Detections matched to the stimulus. `false_accepts` are detections that answer no word of theirs."""

    hits: int
    misses: int
    false_accepts: int
    lines: tuple[tuple[Spoken, Detection | None], ...]


def build_stimulus(
    manifest: Manifest, words: Sequence[str], *, per_word: int, seed: int, rate_hz: int = 16000,
    noise_dbfs: float = -60.0,
) -> Stimulus:  # fmt: skip
    """Held-out clips in random order, 1 s apart, over faint noise; as many unknown words as one keyword has."""
    rng = np.random.default_rng(seed)
    chosen: list[Clip] = []
    for label in (*words, "unknown"):
        clips = manifest.select(split="test", label=label)
        picks = rng.permutation(len(clips))[:per_word]
        chosen += [clips[int(i)] for i in picks]
    order = [chosen[int(i)] for i in rng.permutation(len(chosen))]
    pieces, spoken, position = [], [], rate_hz
    pieces.append(np.zeros(rate_hz))
    for clip in order:
        pcm = load_pcm(clip, manifest.root).astype(np.float64)
        spoken.append(Spoken(clip.label, position * 1000 // rate_hz, (position + len(pcm)) * 1000 // rate_hz))
        pieces += [pcm, np.zeros(rate_hz)]
        position += len(pcm) + rate_hz
    stream = np.concatenate(pieces)
    stream += background_noise(len(stream), noise_dbfs, rng)
    return Stimulus(np.clip(np.rint(stream), -32768, 32767).astype(np.int16), rate_hz, tuple(spoken))


def match(stimulus: Stimulus, detections: Sequence[Detection]) -> Heard:
    """Match each detection to the word spoken just before it; every word answers at most one detection."""
    answers: dict[int, Detection] = {}
    false_accepts = 0
    for found in detections:
        index = _spoken_at(stimulus.spoken, found.t_ms)
        if index is not None and stimulus.spoken[index].label == found.label and index not in answers:
            answers[index] = found
        else:
            false_accepts += 1
    words = [i for i, s in enumerate(stimulus.spoken) if s.label != "unknown"]
    hits = sum(i in answers for i in words)
    lines = tuple((s, answers.get(i)) for i, s in enumerate(stimulus.spoken))
    return Heard(hits, len(words) - hits, false_accepts, lines)


def _spoken_at(spoken: Sequence[Spoken], t_ms: int) -> int | None:
    for index, item in enumerate(spoken):
        if item.start_ms <= t_ms <= item.end_ms + LATE_MS:
            return index
    return None
