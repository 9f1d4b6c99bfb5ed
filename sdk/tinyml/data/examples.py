"""From clips to training windows: every clip becomes streams, every stream runs through the firmware's own front end.

The result depends on the arguments only, not on the number of processes: each stream has a generator of its own, seeded
by (seed, kind, clip, copy).
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from types import ModuleType

import numpy as np

from tinyml.data.feature_set import FeatureSet
from tinyml.data.manifest import ENROLLED, RECORDED, Clip, Manifest
from tinyml.data.pcm import load_pcm
from tinyml.data.stream import NoiseBank, Stream, StreamSpec, plain_stream, silence_stream, training_stream
from tinyml.data.windows import Cutter
from tinyml.errors import Progress, ProjectError, no_progress
from tinyml.features import LogMel, LogMelSpec

SILENCE, UNKNOWN = "silence", "unknown"
_FORMAT = 1
_CHUNK = 48
_SILENCE_WINDOWS = 4
_SILENCE_SECONDS = 4.0
_KINDS = {"clip": 1, "silence": 2, "choice": 3}


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
class _Task:
    """One stream; `clip` is the index into the manifest, -1 for a stream of noise."""

    clip: int
    label: str
    copy: int


@dataclass(frozen=True)
class _Job:
    """Everything a worker needs besides its tasks."""

    clips: tuple[Clip, ...]
    neighbours: tuple[int, ...]
    labels: tuple[str, ...]
    features: LogMelSpec
    window_frames: int
    seed: int
    augment: bool
    spec: ExampleSpec


Rows = list[tuple[np.ndarray, int, int]]


def make_examples(
    manifest: Manifest,
    labels: Sequence[str],
    spec: LogMelSpec,
    split: str,
    *,
    window_frames: int,
    copies: int,
    seed: int,
    augment: bool,
    cache_dir: Path | None = None,
    progress: Progress = no_progress,
    jobs: int | None = None,
    example_spec: ExampleSpec | None = None,
) -> FeatureSet:
    """Windows of one split. `labels` are the classes; clips with any other label count as `unknown` if that is one.

    Every clip gives `copies` streams when `augment`, else one of the evaluation protocol. `silence` is made of noise,
    as many windows as an average word has. `jobs` processes (default: one per core) share the work.
    Raises: ProjectError when the split has no clip of a listed word.
    """
    job = _Job(
        manifest.clips, (), tuple(labels), spec, window_frames, seed, augment, example_spec or ExampleSpec()
    )  # fmt: skip
    chosen = _chosen(job, split)
    neighbours = tuple(i for i, label in chosen if label == UNKNOWN)
    job = _Job(**{**_shallow(job), "neighbours": neighbours})
    target = _cache_path(job, chosen, split, copies, cache_dir)
    if target is not None and target.is_file():
        return FeatureSet.load(target)
    tasks = _tasks(job, chosen, copies)
    rows: Rows = []
    for done, chunk_rows in _run(job, tasks, jobs or os.cpu_count() or 1):
        rows += chunk_rows
        progress(f"features of {split}", done, len(tasks))
    made = FeatureSet(
        np.stack([x for x, _, _ in rows]), np.array([y for _, y, _ in rows], np.int64),
        np.array([c for _, _, c in rows], np.int32), tuple(labels),
    )  # fmt: skip
    if target is not None:
        made.save(target)
    return made


def _shallow(job: _Job) -> dict[str, object]:
    return {name: getattr(job, name) for name in job.__dataclass_fields__}


def _chosen(job: _Job, split: str) -> list[tuple[int, str]]:
    """(clip, class) of the split; `unknown` is thinned to the cap by a draw that depends on the seed only."""
    words = [label for label in job.labels if label not in (SILENCE, UNKNOWN)]
    rows = [(i, c.label if c.label in job.labels else UNKNOWN) for i, c in enumerate(job.clips) if c.split == split]
    counts = Counter(label for _, label in rows)
    missing = [word for word in words if not counts[word]]
    if len(missing) == len(words):
        raise ProjectError(
            f"the {split} split has no clip of any word", details=[f"words: {', '.join(words)}"],
            hint="run `tinyml data list` to see what there is",
        )
    unknown = [row for row in rows if row[1] == UNKNOWN]
    cap = int(job.spec.unknown_cap * sum(counts[w] for w in words) / len(words)) if UNKNOWN in job.labels else 0
    if len(unknown) > cap:
        order = np.random.default_rng([job.seed, _KINDS["choice"]]).permutation(len(unknown))[:cap]
        unknown = [unknown[i] for i in sorted(order)]
    return [row for row in rows if row[1] in words] + unknown


def _tasks(job: _Job, chosen: list[tuple[int, str]], copies: int) -> list[_Task]:
    tasks = []
    for index, label in chosen:
        clip = job.clips[index]
        factor = 1
        if job.augment and clip.engine == RECORDED:
            factor = job.spec.enrolled_copies if clip.note == ENROLLED else job.spec.recorded_copies
        tasks += [_Task(index, label, copy) for copy in range(copies * factor if job.augment else 1)]
    if SILENCE in job.labels:
        words = Counter(t.label for t in tasks if t.label != UNKNOWN)
        windows = (job.spec.windows if job.augment else 1) * sum(words.values()) / len(words)
        tasks += [_Task(-1, SILENCE, copy) for copy in range(max(1, round(windows / _SILENCE_WINDOWS)))]
    return tasks


def _cache_path(
    job: _Job, chosen: list[tuple[int, str]], split: str, copies: int, cache_dir: Path | None
) -> Path | None:
    if cache_dir is None:
        return None
    rows = [(job.clips[i].sha256, label, i, job.clips[i].note) for i, label in chosen]
    key = repr((
        _FORMAT, job.labels, job.features.digest, job.window_frames, job.seed, job.augment, asdict(job.spec), split,
        copies, rows,
    ))  # fmt: skip
    return Path(cache_dir) / f"examples-{split}-{hashlib.sha256(key.encode()).hexdigest()[:20]}.npz"


def _run(job: _Job, tasks: list[_Task], jobs: int) -> Iterator[tuple[int, Rows]]:
    """(tasks done, rows) chunk by chunk, in task order."""
    chunks = [tasks[i : i + _CHUNK] for i in range(0, len(tasks), _CHUNK)]
    if jobs == 1 or len(chunks) < 2:
        worker = _Worker(job)
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


_worker: _Worker | None = None


def _start_worker(job: _Job) -> None:
    global _worker
    _worker = _Worker(job)


def _worker_rows(tasks: list[_Task]) -> Rows:
    assert _worker is not None
    return _worker.rows(tasks)


class _Worker:
    """Makes the windows of tasks, one after the other."""

    def __init__(self, job: _Job) -> None:
        self._job = job
        self._front_end = LogMel(job.features)
        self._cutter = Cutter(job.window_frames, job.features.hop_samples)
        self._bank = NoiseBank(job.seed)
        self._pcm = lru_cache(maxsize=64)(lambda index: load_pcm(job.clips[index]))

    def rows(self, tasks: list[_Task]) -> Rows:
        return [row for task in tasks for row in (self._silence(task) if task.clip < 0 else self._word(task))]

    def _features(self, pcm: np.ndarray) -> np.ndarray:
        self._front_end.reset()
        return self._cutter.padded(self._front_end.process(pcm))

    def _rng(self, kind: str, task: _Task) -> np.random.Generator:
        return np.random.default_rng([self._job.seed, _KINDS[kind], task.clip + 1, task.copy])

    def _silence(self, task: _Task) -> Rows:
        rng = self._rng("silence", task)
        features = self._features(silence_stream(_SILENCE_SECONDS, rng, self._bank, self._job.spec.stream))
        last = len(features) - self._cutter.lead_in - self._job.window_frames
        firsts = rng.integers(-self._cutter.lead_in, last + 1, size=_SILENCE_WINDOWS)
        return [(self._cutter.cut(features, int(f)), self._class(SILENCE), -1) for f in firsts]

    def _word(self, task: _Task) -> Rows:
        rng, spec, cutter = self._rng("clip", task), self._job.spec, self._cutter
        if not self._job.augment:
            stream = plain_stream(self._pcm(task.clip), rng)
            first = cutter.word(stream.start, stream.end, rng)
            return [(cutter.cut(self._features(stream.pcm), first), self._class(task.label), task.clip)]
        after = SILENCE in self._job.labels and rng.random() < spec.after_probability
        stream = training_stream(
            self._pcm(task.clip), rng, self._bank, spec.stream, self._neighbour, extra_tail_s=1.0 if after else 0.0
        )
        features = self._features(stream.pcm)
        firsts = [(cutter.word(stream.start, stream.end, rng), task.label) for _ in range(spec.windows)]
        firsts += self._negatives(stream, task, after, rng)
        return [(cutter.cut(features, first), self._class(label), task.clip) for first, label in firsts]

    def _negatives(self, stream: Stream, task: _Task, after: bool, rng: np.random.Generator) -> list[tuple[int, str]]:
        """Windows with a fragment of the word (unknown), or with what follows it (silence)."""
        found = []
        if stream.word_only and UNKNOWN in self._job.labels and rng.random() < self._job.spec.fragment_probability:
            found.append((self._cutter.fragment_of(stream.start, stream.end, rng), UNKNOWN))
        if stream.word_only and after:
            found.append((self._cutter.after(stream.end, rng), SILENCE))
        return found

    def _neighbour(self, rng: np.random.Generator) -> np.ndarray | None:
        choices = self._job.neighbours
        return self._pcm(choices[int(rng.integers(len(choices)))]) if choices else None

    def _class(self, label: str) -> int:
        return self._job.labels.index(label)
