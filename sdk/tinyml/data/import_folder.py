"""Recordings from disk: a folder per label becomes a manifest that refers to the files where they are."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tinyml.data.listing import SILENCE, Listed, list_csv, list_folder
from tinyml.data.manifest import RECORDED, Clip, Manifest
from tinyml.data.probe import Probed, UnusableAudio, probe
from tinyml.data.speech_commands import LICENCE, NAME, is_speech_commands, list_speech_commands, resolve_speech_commands
from tinyml.data.splits import Recording, assign_splits
from tinyml.errors import Progress, ProjectError, no_progress

_NAMED = 20
_LEAST_CLIPS = 2


def import_folder(
    src: Path,
    out_dir: Path,
    *,
    licence: str | None = None,
    speaker_pattern: str | None = None,
    split_csv: Path | None = None,
    hold_out: str | None = None,
    enrol: int = 0,
    source: str | None = None,
    seed: int = 0,
    progress: Progress = no_progress,
) -> Manifest:
    """Read every WAV, FLAC or Ogg file (8 to 48 kHz, PCM or float, mono or stereo) and write `out_dir/manifest.jsonl`.

    Speakers come from `speaker_pattern` or `split_csv` (see `listing`), splits from the CSV or from the speakers (see
    `splits`). A copy of Speech Commands is recognised and keeps its own speakers, splits and licence; it is downloaded
    when `src` is a folder named SPEECHCOMMANDS that does not exist. Files that cannot be used are named in `notes` and
    left out. Without a `licence` the clips are for evaluation only.
    Raises: ProjectError when nothing usable is there, or a class has fewer than two clips.
    """
    src = resolve_speech_commands(Path(src))
    if not src.is_dir():
        raise ProjectError(f"there is no folder `{src}`", hint="give a folder that holds one folder per label")
    if speaker_pattern is not None and split_csv is not None:
        raise ProjectError("a speaker pattern and a CSV are given", hint="the CSV names the speakers; drop the pattern")
    src = src.resolve()
    absent: list[str] = []
    if split_csv is not None:
        listed, absent = list_csv(src, Path(split_csv))
    elif speaker_pattern is None and is_speech_commands(src):
        listed, licence, source = list_speech_commands(src), licence or LICENCE, source or NAME
    else:
        listed = list_folder(src, speaker_pattern)
    clips, skipped = _read(listed, src, licence or "", source or src.name, progress)
    skipped = [f"{name}: the file does not exist" for name in absent] + skipped
    _check_classes(listed, clips, skipped)
    split = assign_splits(clips, hold_out=hold_out, enrol=enrol, seed=seed)
    manifest = Manifest(Path(out_dir).resolve(), tuple(split), tuple(_notes(skipped, len(listed) + len(absent))))
    manifest.save()
    return manifest


def _read(
    listed: Sequence[Listed], src: Path, licence: str, source: str, progress: Progress
) -> tuple[list[Recording], list[str]]:
    recordings, skipped = [], []
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        for done, (item, found) in enumerate(zip(listed, pool.map(_probed, listed), strict=True), 1):
            if isinstance(found, Probed):
                clip = Clip(
                    path=str(item.path), label=item.label, split="train", speaker=item.speaker, engine=RECORDED,
                    licence=licence, source=source, seconds=found.seconds, sample_rate_hz=found.sample_rate_hz,
                    sha256=found.sha256, voice="", text=item.label,
                )  # fmt: skip
                recordings.append(Recording(clip, item.index, item.split))
            else:
                skipped.append(f"{_relative(item.path, src)}: {found}")
            progress("reading recordings", done, len(listed))
    return recordings, skipped


def _relative(path: Path, src: Path) -> str:
    return path.relative_to(src).as_posix() if path.is_relative_to(src) else str(path)


def _probed(item: Listed) -> Probed | str:
    try:
        return probe(item.path)
    except UnusableAudio as reason:
        return str(reason)


def _check_classes(listed: Sequence[Listed], recordings: Sequence[Recording], skipped: list[str]) -> None:
    counts = Counter(r.clip.label for r in recordings)
    if not counts:
        raise ProjectError("no file can be used", details=skipped[:_NAMED], hint="give WAV, FLAC or Ogg recordings")
    poor = sorted({i.label for i in listed if i.label != SILENCE and counts[i.label] < _LEAST_CLIPS})
    if poor:
        amount = {0: "no usable clip", 1: "only one usable clip"}
        raise ProjectError(
            "a class needs at least two clips",
            details=[f"`{p}` has {amount[counts[p]]}" for p in poor] + skipped[:_NAMED],
            hint="record more, or remove the folder",
        )


def _notes(skipped: list[str], total: int) -> list[str]:
    if not skipped:
        return []
    more = [f"skipped {len(skipped) - _NAMED} more"] if len(skipped) > _NAMED else []
    return [f"{len(skipped)} of {total:,} files were skipped", *(f"skipped {s}" for s in skipped[:_NAMED]), *more]
