"""A stream of held-out recordings for the microphone, and how well an image heard it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tinyml.data.augment import background_noise
from tinyml.data.manifest import Clip, Manifest
from tinyml.data.pcm import SAMPLE_RATE_HZ, load_pcm, read_recording
from tinyml.errors import ProjectError
from tinyml.evaluate.console import Detection, console_label, detections
from tinyml.sim import SimResult

PER_WORD = 5
NOISE_DBFS = -60.0
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
    """Microphone input (int16, mono) and what is known to be spoken in it (empty for a user's own recording)."""

    pcm: np.ndarray
    rate_hz: int
    spoken: tuple[Spoken, ...]

    @property
    def seconds(self) -> float:
        return len(self.pcm) / self.rate_hz


@dataclass(frozen=True)
class Heard:
    """Detections matched to the stimulus. `false_accepts` are detections that answer no word of theirs."""

    hits: int
    misses: int
    false_accepts: int
    lines: tuple[tuple[Spoken, Detection | None], ...]


def build_stimulus(
    manifests: Sequence[Manifest], words: Sequence[str], *, seed: int, per_word: int = PER_WORD,
    noise_dbfs: float = NOISE_DBFS,
) -> Stimulus:  # fmt: skip
    """Held-out clips in random order, 1 s apart, over faint noise; as many unknown words as one keyword has.

    Raises: ProjectError when no manifest holds a test clip.
    """
    rng = np.random.default_rng(seed)
    chosen: list[Clip] = []
    for label in (*words, "unknown"):
        clips = [c for m in manifests for c in m.select(split="test", label=label)]
        chosen += [clips[int(i)] for i in rng.permutation(len(clips))[:per_word]]
    if not chosen:
        raise ProjectError("the project holds no test clips to play", hint="run `tinyml data list`")
    gap = np.zeros(SAMPLE_RATE_HZ)
    pieces, spoken, position = [gap], [], len(gap)
    for index in rng.permutation(len(chosen)):
        pcm = load_pcm(chosen[int(index)])
        start_ms, end_ms = (p * 1000 // SAMPLE_RATE_HZ for p in (position, position + len(pcm)))
        spoken.append(Spoken(chosen[int(index)].label, start_ms, end_ms))
        pieces += [pcm, gap]
        position += len(pcm) + len(gap)
    stream = np.concatenate(pieces) + background_noise(position, noise_dbfs, rng)
    return Stimulus(np.clip(np.rint(stream), -32768, 32767).astype(np.int16), SAMPLE_RATE_HZ, tuple(spoken))


def recorded_stimulus(path: Path) -> Stimulus:
    """A user's recording, in any format that can be imported. Raises: ProjectError."""
    return Stimulus(read_recording(path), SAMPLE_RATE_HZ, ())


def match(stimulus: Stimulus, detections: Sequence[Detection]) -> Heard:
    """Match each detection to the word spoken just before it; every word answers at most one detection."""
    answers: dict[int, Detection] = {}
    false_accepts = 0
    for found in detections:
        index = _spoken_at(stimulus.spoken, found.t_ms)
        if index is not None and console_label(stimulus.spoken[index].label) == found.label and index not in answers:
            answers[index] = found
        else:
            false_accepts += 1
    words = [i for i, s in enumerate(stimulus.spoken) if s.label != "unknown"]
    hits = sum(i in answers for i in words)
    lines = tuple((s, answers.get(i)) for i, s in enumerate(stimulus.spoken))
    return Heard(hits, len(words) - hits, false_accepts, lines)


@dataclass(frozen=True)
class VirtualRun:
    """An image that ran on the virtual board, and what it was played."""

    result: SimResult
    stimulus: Stimulus

    @property
    def detections(self) -> tuple[Detection, ...]:
        return detections(self.result.console)

    @property
    def heard(self) -> Heard | None:
        """How well the words were heard; None for a recording whose words nobody stated."""
        return match(self.stimulus, self.detections) if self.stimulus.spoken else None

    def summary(self) -> dict[str, object]:
        """Plain values for `--json`."""
        skipped = ("gpio",)
        return {k: v for k, v in vars(self.result).items() if k not in skipped} | {
            "detections": self.detections, "heard": self.heard,
        }  # fmt: skip


def _spoken_at(spoken: Sequence[Spoken], t_ms: int) -> int | None:
    for index, item in enumerate(spoken):
        if item.start_ms <= t_ms <= item.end_ms + LATE_MS:
            return index
    return None
