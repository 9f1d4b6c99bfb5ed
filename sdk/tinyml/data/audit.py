"""May these clips be shipped, and would a test on them mean anything: licences, speakers, duplicates, acoustics."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tinyml.data.acoustics import Acoustics, measure
from tinyml.data.listing import SILENCE
from tinyml.data.manifest import ENROLLED, HELD_BACK, RECORDED, SPLITS, Clip, Manifest
from tinyml.data.pcm import load_pcm
from tinyml.data.voices import hashed

LEVEL_DIFFERENCE_DB = 6.0
BANDWIDTH_RATIO = 1.25
MEASURED_PER_GROUP = 40
_LEAST_MEASURED = 8
GENERATED_NOTE = (
    "generated audio is not covered by the licence of the engine that spoke it; that licence covers the engine"
)


@dataclass(frozen=True)
class LedgerRow:
    """All clips of one licence, source and engine; an empty `licence` means none is known."""

    licence: str
    source: str
    engine: str
    clips: int
    seconds: float


@dataclass(frozen=True)
class Audit:
    """`ok` is False when clips have no licence or the splits are not what they claim (`errors`).

    `unlicensed` clips are for evaluation only. `warnings` do not make a set unusable; `notes` state its limits.
    """

    ledger: tuple[LedgerRow, ...]
    unlicensed: tuple[Clip, ...]
    errors: tuple[str, ...]
    warnings: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def ok(self) -> bool:
        return not self.unlicensed and not self.errors


def audit(manifest: Manifest, *, measure_audio: bool = True) -> Audit:
    """Judge a manifest. `measure_audio` decodes up to 40 clips of each class, split and engine."""
    clips = manifest.clips
    errors = [*_shared_speakers(clips), *_duplicates(clips)]
    warnings = list(_acoustic_differences(clips)) if measure_audio else []
    notes = [*_exceptions(clips), *manifest.notes]
    if any(c.engine != RECORDED for c in clips):
        notes.append(GENERATED_NOTE)
    unlicensed = tuple(c for c in clips if not c.licence)
    if unlicensed:
        notes.append(f"{len(unlicensed):,} clips have no licence: they may be used to evaluate, not to ship a network")
    return Audit(_ledger(clips), unlicensed, tuple(errors), tuple(warnings), tuple(notes))


def _ledger(clips: tuple[Clip, ...]) -> tuple[LedgerRow, ...]:
    groups: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    for clip in clips:
        groups[clip.licence, clip.source, clip.engine].append(clip.seconds)
    return tuple(LedgerRow(*key, len(s), sum(s)) for key, s in sorted(groups.items()))


def _shared_speakers(clips: tuple[Clip, ...]) -> Iterator[str]:
    """Speakers in two splits, but for clips that are enrolled or held back and say so."""
    splits: dict[str, set[str]] = defaultdict(set)
    for clip in clips:
        if clip.speaker and clip.note not in (ENROLLED, HELD_BACK):
            splits[clip.speaker].add(clip.split)
    for speaker, found in sorted(splits.items()):
        if len(found) > 1:
            yield f"speaker `{speaker}` stands in {' and '.join(s for s in SPLITS if s in found)}"


def _duplicates(clips: tuple[Clip, ...]) -> Iterator[str]:
    same: dict[str, list[Clip]] = defaultdict(list)
    for clip in clips:
        same[clip.sha256].append(clip)
    for group in same.values():
        found = {c.split for c in group}
        if len(found) > 1:
            names = ", ".join(f"{c.split}: {c.path}" for c in group[:3])
            yield f"the same recording stands in {' and '.join(s for s in SPLITS if s in found)} ({names})"


def _exceptions(clips: tuple[Clip, ...]) -> Iterator[str]:
    enrolled = Counter(c.speaker for c in clips if c.note == ENROLLED)
    for speaker, count in sorted(enrolled.items()):
        yield f"enrolled: {count} recordings of the test speaker `{speaker}` train"
    held = Counter(c.speaker for c in clips if c.note == HELD_BACK)
    if held:
        yield (
            f"held back: {sum(held.values())} recordings of training speakers ({', '.join(sorted(held))}) validate; "
            "validation is not speaker-independent, the test is"
        )
    nobody = Counter(c.source for c in clips if not c.speaker and c.label != SILENCE)
    for source, count in sorted(nobody.items()):
        yield f"{count:,} clips of `{source}` have no known speaker: its splits may share speakers and microphones"
    for source in sorted({c.source for c in clips}):
        if not any(c.split == "test" for c in clips if c.source == source):
            yield f"`{source}` has no test clips"


def _acoustic_differences(clips: tuple[Clip, ...]) -> Iterator[str]:
    """Classes, splits or engines whose median level or bandwidth differ."""
    measured: dict[str, Acoustics] = {}
    kinds: tuple[tuple[str, Callable[[Clip], str]], ...] = (
        ("classes", lambda c: c.label), ("splits", lambda c: c.split), ("sources", lambda c: f"{c.source} {c.engine}"),
    )  # fmt: skip
    for kind, of in kinds:
        groups: dict[str, list[Clip]] = defaultdict(list)
        for clip in clips:
            if clip.label != SILENCE:
                groups[of(clip)].append(clip)
        found = {
            name: _typical(members, measured) for name, members in groups.items() if len(members) >= _LEAST_MEASURED
        }
        if len(found) > 1:
            yield from _compare(kind, found)


def _typical(members: list[Clip], measured: dict[str, Acoustics]) -> tuple[float, float]:
    """Median level and bandwidth of clips chosen by their hash."""
    chosen = sorted(members, key=lambda c: hashed(c.sha256))[:MEASURED_PER_GROUP]
    for clip in chosen:
        if clip.sha256 not in measured:
            measured[clip.sha256] = measure(load_pcm(clip))
    found = [measured[c.sha256] for c in chosen]
    return statistics.median(a.level_dbfs for a in found), statistics.median(a.bandwidth_hz for a in found)


def _compare(kind: str, found: dict[str, tuple[float, float]]) -> Iterator[str]:
    quiet, loud = (pick(found, key=lambda n: found[n][0]) for pick in (min, max))
    if found[loud][0] - found[quiet][0] > LEVEL_DIFFERENCE_DB:
        yield (
            f"{kind} differ in loudness: `{loud}` {found[loud][0]:.0f} dBFS, `{quiet}` {found[quiet][0]:.0f} dBFS "
            "(medians of the voiced part)"
        )
    narrow, wide = (pick(found, key=lambda n: found[n][1]) for pick in (min, max))
    if found[wide][1] > BANDWIDTH_RATIO * found[narrow][1]:
        yield (
            f"{kind} differ in bandwidth: `{wide}` reaches {found[wide][1] / 1000:.1f} kHz, "
            f"`{narrow}` ends at {found[narrow][1] / 1000:.1f} kHz (medians)"
        )
