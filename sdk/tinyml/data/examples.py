"""From clips to training windows: every clip becomes streams, every stream runs through the firmware's own front end.

The result depends on the arguments only, not on the number of processes: each stream has a generator of its own, seeded
by (seed, kind, clip, copy), see `example_worker`.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from tinyml.data.example_worker import (
    EXCERPT_SECONDS,
    SILENCE,
    SILENCE_WINDOWS,
    UNKNOWN,
    ExampleSpec,
    Job,
    Rows,
    Task,
    run_tasks,
)
from tinyml.data.feature_set import FeatureSet
from tinyml.data.manifest import ENROLLED, RECORDED, Clip, Manifest
from tinyml.errors import Progress, no_progress
from tinyml.features import LogMelSpec

_FORMAT = 1
_THIN_UNKNOWN = 3


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
    as many windows as an average class has; recordings labelled `silence` join that noise. `jobs` processes (default:
    one per core) share the work. A split without clips gives an empty set. With `cache_dir`, the result is kept there.
    Raises: ProjectError when a clip's file has gone.
    """
    clips = manifest.clips
    example_spec = example_spec or ExampleSpec()
    chosen = _chosen(clips, labels, split, example_spec.unknown_cap, seed)
    neighbours = tuple(i for i, label in chosen if label == UNKNOWN)
    noises = tuple(i for i, c in enumerate(clips) if c.split == split and c.label == SILENCE)
    job = Job(clips, neighbours, noises, tuple(labels), spec, window_frames, seed, augment, example_spec)
    target = _cache_path(job, chosen, split, copies, cache_dir)
    if target is not None and target.is_file():
        return FeatureSet.load(target)
    tasks = _tasks(job, chosen, copies)
    rows: Rows = []
    for done, chunk_rows in run_tasks(job, tasks, jobs or os.cpu_count() or 1):
        rows += chunk_rows
        progress(f"features of {split}", done, len(tasks))
    empty = np.empty((0, window_frames, spec.mel_bins), np.int8)
    made = FeatureSet(
        np.stack([x for x, _, _ in rows]) if rows else empty, np.array([y for _, y, _ in rows], np.int64),
        np.array([c for _, _, c in rows], np.int32), tuple(labels),
    )  # fmt: skip
    if target is not None:
        made.save(target)
    return made


def _chosen(
    clips: Sequence[Clip], labels: Sequence[str], split: str, unknown_cap: float, seed: int
) -> list[tuple[int, str]]:
    """(clip, class) of the split; `unknown` is thinned to the cap by a draw that depends on the seed only."""
    words = [label for label in labels if label not in (SILENCE, UNKNOWN)]
    rows = [(i, c.label if c.label in words else UNKNOWN) for i, c in enumerate(clips)
            if c.split == split and c.label != SILENCE]  # fmt: skip
    said = sum(label in words for _, label in rows)
    unknown = [row for row in rows if row[1] == UNKNOWN] if UNKNOWN in labels else []
    cap = int(unknown_cap * said / len(words)) if said else len(unknown)
    if len(unknown) > cap:
        order = np.random.default_rng([seed, _THIN_UNKNOWN]).permutation(len(unknown))[:cap]
        unknown = [unknown[i] for i in sorted(order)]
    return [row for row in rows if row[1] in words] + unknown


def _tasks(job: Job, chosen: list[tuple[int, str]], copies: int) -> list[Task]:
    tasks = []
    for index, label in chosen:
        clip = job.clips[index]
        factor = 1
        if job.augment and clip.engine == RECORDED:
            factor = job.spec.enrolled_copies if clip.note == ENROLLED else job.spec.recorded_copies
        if job.augment and label == UNKNOWN:
            factor *= max(1, int(clip.seconds / EXCERPT_SECONDS))
        tasks += [Task(index, label, copy) for copy in range(copies * factor if job.augment else 1)]
    counts = Counter(t.label for t in tasks)
    if SILENCE in job.labels and counts:
        windows = (job.spec.windows if job.augment else 1) * sum(counts.values()) / len(counts)
        tasks += [Task(-1, SILENCE, copy) for copy in range(max(1, round(windows / SILENCE_WINDOWS)))]
    return tasks


def _cache_path(
    job: Job, chosen: list[tuple[int, str]], split: str, copies: int, cache_dir: Path | None
) -> Path | None:
    if cache_dir is None:
        return None
    rows = [(job.clips[i].sha256, label, i, job.clips[i].note) for i, label in chosen]
    key = repr((
        _FORMAT, job.labels, job.features.digest, job.window_frames, job.seed, job.augment, asdict(job.spec), split,
        copies, rows,
    ))  # fmt: skip
    return Path(cache_dir) / f"examples-{split}-{hashlib.sha256(key.encode()).hexdigest()[:20]}.npz"
