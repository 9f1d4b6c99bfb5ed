"""The processes that turn tasks into windows; one task is one stream, with a generator of its own.

A task's generator is seeded by (seed, kind, clip, copy), so the rows do not depend on how tasks are shared out.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing import get_context
from types import ModuleType

import numpy as np

from tinyml.data.manifest import Clip
from tinyml.data.pcm import SAMPLE_RATE_HZ, load_pcm
from tinyml.data.stream import NoiseBank, Stream, StreamSpec, plain_stream, silence_stream, training_stream
from tinyml.data.windows import Cutter
from tinyml.features import LogMel, LogMelSpec

SILENCE, UNKNOWN = "silence", "unknown"
SILENCE_WINDOWS = 4
EXCERPT_SECONDS = 2.0
_SILENCE_SECONDS = 4.0
_CHUNK = 48
_ALONE = 8 * _CHUNK  # fewer tasks are done before a second process has started
_CLIP_STREAM, _SILENCE_STREAM = 1, 2


@dataclass(frozen=True)
class ExampleSpec:
    """How streams become windows, for augmented sets (a set that is not augmented has one window per clip).

    `recorded_copies` and `enrolled_copies` multiply `copies` for clips of real people, and for those of the person who
    will use the device. `unknown_cap` bounds the clips of `unknown` to so many times those of an average word.
    """

    stream: StreamSpec = StreamSpec()
    windows: int = 2
    fragment_probability: float = 0.12
    after_probability: float = 0.08
    recorded_copies: int = 2
    enrolled_copies: int = 10
    unknown_cap: float = 4.0


@dataclass(frozen=True)
class Task:
    """One stream; `clip` is the index into the clips, -1 for a stream of noise."""

    clip: int
    label: str
    copy: int


@dataclass(frozen=True)
class Job:
    """Everything a worker needs besides its tasks. `neighbours` and `noises` are indices into `clips`."""

    clips: tuple[Clip, ...]
    neighbours: tuple[int, ...]
    noises: tuple[int, ...]
    labels: tuple[str, ...]
    features: LogMelSpec
    window_frames: int
    seed: int
    augment: bool
    spec: ExampleSpec


Rows = list[tuple[np.ndarray, int, int]]
"""Window int8 [window_frames, mel_bins], class, clip."""


def run_tasks(job: Job, tasks: list[Task], jobs: int) -> Iterator[tuple[int, Rows]]:
    """(tasks done, rows) chunk by chunk, in task order."""
    chunks = [tasks[i : i + _CHUNK] for i in range(0, len(tasks), _CHUNK)]
    if jobs == 1 or len(tasks) < _ALONE:
        worker = Worker(job)
        for i, chunk in enumerate(chunks):
            yield min(len(tasks), (i + 1) * _CHUNK), worker.rows(chunk)
        return
    LogMel(job.features)  # build the library once, before several processes ask for it
    pool = ProcessPoolExecutor(min(jobs, len(chunks)), get_context("spawn"), _start_worker, (job,))
    try:
        with _without_main_module():
            futures = [pool.submit(_worker_rows, chunk) for chunk in chunks]
        for i, future in enumerate(futures):
            yield min(len(tasks), (i + 1) * _CHUNK), future.result()
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def _without_main_module() -> Iterator[None]:
    """Spawned processes import the caller's script again, which fails in scripts without a main guard: hide it."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


_worker: Worker | None = None


def _start_worker(job: Job) -> None:
    global _worker
    _worker = Worker(job)


def _worker_rows(tasks: list[Task]) -> Rows:
    assert _worker is not None
    return _worker.rows(tasks)


class Worker:
    """Makes the windows of tasks, one after the other."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._front_end = LogMel(job.features)
        self._cutter = Cutter(job.window_frames, job.features.hop_samples)
        self._bank = NoiseBank(job.seed, tuple(load_pcm(job.clips[i]) for i in job.noises))
        self._pcm = lru_cache(maxsize=64)(lambda index: load_pcm(job.clips[index]))

    def rows(self, tasks: list[Task]) -> Rows:
        return [row for task in tasks for row in (self._silence(task) if task.clip < 0 else self._word(task))]

    def _features(self, pcm: np.ndarray) -> np.ndarray:
        self._front_end.reset()
        return self._cutter.padded(self._front_end.process(pcm))

    def _rng(self, kind: int, task: Task) -> np.random.Generator:
        return np.random.default_rng([self._job.seed, kind, task.clip + 1, task.copy])

    def _silence(self, task: Task) -> Rows:
        rng = self._rng(_SILENCE_STREAM, task)
        features = self._features(silence_stream(_SILENCE_SECONDS, rng, self._bank, self._job.spec.stream))
        last = len(features) - self._cutter.lead_in - self._job.window_frames
        firsts = rng.integers(-self._cutter.lead_in, last + 1, size=SILENCE_WINDOWS)
        return [(self._cutter.cut(features, int(f)), self._class(SILENCE), -1) for f in firsts]

    def _word(self, task: Task) -> Rows:
        rng, spec, cutter = self._rng(_CLIP_STREAM, task), self._job.spec, self._cutter
        if not self._job.augment:
            stream = plain_stream(self._pcm(task.clip), rng)
            first = cutter.word(stream.start, stream.end, rng)
            return [(cutter.cut(self._features(stream.pcm), first), self._class(task.label), task.clip)]
        after = SILENCE in self._job.labels and rng.random() < spec.after_probability
        pcm = self._pcm(task.clip)
        if task.label == UNKNOWN:
            pcm = _excerpt(pcm, rng)
        stream = training_stream(
            pcm, rng, self._bank, spec.stream, self._neighbour, extra_tail_s=1.0 if after else 0.0
        )  # fmt: skip
        features = self._features(stream.pcm)
        firsts = [(cutter.word(stream.start, stream.end, rng), task.label) for _ in range(spec.windows)]
        firsts += self._negatives(stream, task, after, rng)
        return [(cutter.cut(features, first), self._class(label), task.clip) for first, label in firsts]

    def _negatives(self, stream: Stream, task: Task, after: bool, rng: np.random.Generator) -> list[tuple[int, str]]:
        """Windows with a fragment of the word (unknown), or with what follows it (silence)."""
        found = []
        if stream.word_only and UNKNOWN in self._job.labels and rng.random() < self._job.spec.fragment_probability:
            found.append((self._cutter.fragment_of(stream.start, stream.end, rng), UNKNOWN))
        if stream.word_only and after:
            found.append((self._cutter.after(stream.end, rng), SILENCE))
        return found

    def _neighbour(self, rng: np.random.Generator) -> np.ndarray | None:
        choices = self._job.neighbours
        return _excerpt(self._pcm(choices[int(rng.integers(len(choices)))]), rng) if choices else None

    def _class(self, label: str) -> int:
        return self._job.labels.index(label)


def _excerpt(pcm: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """At most 2 s from a drawn place: sentences are many examples of what is not a keyword."""
    longest = int(EXCERPT_SECONDS * SAMPLE_RATE_HZ)
    first = int(rng.integers(max(1, len(pcm) - longest + 1)))
    excerpt = pcm[first : first + longest]
    return excerpt if np.any(excerpt) else pcm[:longest]
