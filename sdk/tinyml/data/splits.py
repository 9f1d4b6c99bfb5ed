"""Who trains, who validates, who tests. A known speaker tests or trains, never both, unless enrolled by name."""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tinyml.data.manifest import ENROLLED, HELD_BACK, Clip
from tinyml.data.voices import hashed
from tinyml.errors import ProjectError

HELD_OUT_SHARE = 0.1


@dataclass(frozen=True)
class Recording:
    """A clip that has no split yet, the recording's number among its speaker's for this word, and a given split."""

    clip: Clip
    index: int
    split: str = ""


def assign_splits(
    recordings: Sequence[Recording], *, hold_out: str | None = None, enrol: int = 0, seed: int = 0
) -> list[Clip]:
    """Clips with splits.

    Given splits are kept. With `hold_out`, that speaker tests and a tenth of the others' recordings validates. Else a
    tenth of the speakers (at least one) tests and as many validate; of two speakers one tests, a single one only
    trains, and then a tenth of the training speakers' recordings validates. Recordings of nobody known are split by
    content. With `enrol`, recordings 0 to `enrol` - 1 of each word by a test speaker join training.
    Raises: ProjectError when `hold_out` names nobody or contradicts given splits.
    """
    speakers = sorted({r.clip.speaker for r in recordings if r.clip.speaker})
    if hold_out is not None and hold_out not in speakers:
        near = difflib.get_close_matches(hold_out, speakers, 1)
        raise ProjectError(
            f"no recording is by the speaker `{hold_out}`",
            details=[f"speakers: {', '.join(speakers[:20]) or 'none known'}"],
            hint=f"did you mean `{near[0]}`?" if near else "give a CSV or a pattern that names the speakers",
        )
    if any(r.split for r in recordings):
        if hold_out is not None:
            raise ProjectError("the CSV gives splits, and a speaker to hold out is given too", hint="choose one")
        clips = _as_given(recordings)
    else:
        role = _roles(speakers, hold_out, seed)
        clips = [replace(r.clip, split=role.get(r.clip.speaker, "train")) for r in recordings]
        if "val" not in role.values():
            clips = _hold_back(clips, seed)
        clips = _split_unknown(clips, seed)
    return [_enrolled(c, r.index, enrol) for c, r in zip(clips, recordings, strict=True)]


def _as_given(recordings: Sequence[Recording]) -> list[Clip]:
    missing = [r for r in recordings if not r.split]
    if missing:
        raise ProjectError(
            f"{len(missing)} recordings have no split while others have",
            details=[missing[0].clip.path],
            hint="fill in the `split` column of every row, or of none",
        )
    return [replace(r.clip, split=r.split) for r in recordings]


def _roles(speakers: list[str], hold_out: str | None, seed: int) -> dict[str, str]:
    if hold_out is not None:
        return {hold_out: "test"}
    order = sorted(speakers, key=lambda s: hashed(f"{seed} {s}"))
    if len(order) < 2:
        return {}
    count = max(1, round(HELD_OUT_SHARE * len(order)))
    held_out = dict.fromkeys(order[:count], "test")
    return held_out | (dict.fromkeys(order[count : 2 * count], "val") if len(order) > 2 else {})


def _hold_back(clips: list[Clip], seed: int) -> list[Clip]:
    """A tenth of each speaker's training recordings of each word (of each word, where speakers have few)."""
    groups: dict[tuple[str, str], list[int]] = defaultdict(list)
    training = [i for i, c in enumerate(clips) if c.split == "train" and c.speaker]
    for i in training:
        groups[clips[i].speaker, clips[i].label].append(i)
    if any(len(members) < 1 / HELD_OUT_SHARE for members in groups.values()):
        groups.clear()
        for i in training:
            groups["", clips[i].label].append(i)
    held: set[int] = set()
    for members in groups.values():
        members.sort(key=lambda i: hashed(f"{seed} {clips[i].sha256}"))
        held.update(members[: max(round(HELD_OUT_SHARE * len(members)), int(len(members) > 2))])
    return [replace(c, split="val", note=HELD_BACK) if i in held else c for i, c in enumerate(clips)]


def _split_unknown(clips: list[Clip], seed: int) -> list[Clip]:
    """Recordings of unknown speakers, per label by content, so that copies of one recording stay together."""
    contents: dict[str, set[str]] = defaultdict(set)
    for clip in clips:
        if not clip.speaker:
            contents[clip.label].add(clip.sha256)
    split_of: dict[tuple[str, str], str] = {}
    for label, hashes in contents.items():
        order = sorted(hashes, key=lambda h: hashed(f"{seed} {h}"))
        count = max(round(HELD_OUT_SHARE * len(order)), 1)
        test, val = count, count if len(order) > 2 else 0
        for rank, sha256 in enumerate(order):
            split_of[label, sha256] = "test" if rank < test else "val" if rank < test + val else "train"
    return [c if c.speaker else replace(c, split=split_of[c.label, c.sha256]) for c in clips]


def _enrolled(clip: Clip, index: int, enrol: int) -> Clip:
    if clip.split == "test" and clip.speaker and index < enrol:
        return replace(clip, split="train", note=ENROLLED)
    return clip
