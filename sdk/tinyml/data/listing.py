"""Which files a folder of recordings holds, and what the path or a CSV says about each."""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from tinyml.data.manifest import SPLITS
from tinyml.errors import ProjectError

BACKGROUND_FOLDER = "_background_noise_"
SILENCE = "silence"
_EXAMPLE = r"for `yes/anna_3.wav` write `/(\w+?)_(?P<index>\d+)`"
_COLUMNS = ("file", "label", "speaker", "index", "split")
_SPLIT_NAMES = {"training": "train", "validation": "val", "dev": "val", "testing": "test"} | {s: s for s in SPLITS}


@dataclass(frozen=True)
class Listed:
    """A file that claims to be a recording. `index` counts the speaker's recordings of that label from 0."""

    path: Path
    label: str
    speaker: str = ""
    index: int = 0
    split: str = ""


def list_folder(src: Path, speaker_pattern: str | None) -> list[Listed]:
    """Every file below the label folders of `src`, sorted; hidden files are passed over.

    `speaker_pattern` is searched in the path relative to `src` (with `/`); the speaker is the group named `speaker`,
    or group 1, and the group `index`, where there is one, numbers the recording.
    Raises: ProjectError when there is no label folder, an empty one, or a path that the pattern does not match.
    """
    folders = sorted(p for p in src.iterdir() if p.is_dir() and not p.name.startswith("."))
    if not folders:
        raise ProjectError(
            f"`{src}` holds no folder per label", hint="make one folder for each word and put its recordings there"
        )
    pattern = _compiled(speaker_pattern) if speaker_pattern is not None else None
    listed, unmatched = [], []
    for folder in folders:
        files = sorted(p for p in folder.rglob("*") if p.is_file() and not p.name.startswith("."))
        if not files:
            raise ProjectError(f"the class `{folder.name}` has no clip", hint="record some, or remove its folder")
        for path in files:
            relative = path.relative_to(src).as_posix()
            match = pattern.search(relative) if pattern is not None and folder.name != BACKGROUND_FOLDER else None
            if pattern is not None and match is None and folder.name != BACKGROUND_FOLDER:
                unmatched.append(relative)
            listed.append(Listed(path, _label(folder.name), *_from_match(match)))
    if unmatched:
        raise ProjectError(
            f"the speaker pattern `{speaker_pattern}` does not match {len(unmatched)} of {len(listed)} files",
            details=unmatched[:5],
            hint="the pattern is searched in LABEL/FILE; its group 1 is the speaker",
        )
    return listed if pattern is not None and "index" in pattern.groupindex else _numbered(listed)


def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise ProjectError(f"`{pattern}` is not a regular expression: {error}", hint=_EXAMPLE) from error
    if compiled.groups < 1:
        raise ProjectError(f"the speaker pattern `{pattern}` has no group", hint=_EXAMPLE)
    return compiled


def _from_match(match: re.Match[str] | None) -> tuple[str, int]:
    if match is None:
        return "", 0
    groups = match.groupdict()
    index = groups.get("index") or "0"
    if not index.isdigit():
        raise ProjectError(f"the index `{index}` in `{match.string}` is not a number", hint=r"use (?P<index>\d+)")
    return groups.get("speaker") or match[1] or "", int(index)


def list_csv(src: Path, table: Path) -> tuple[list[Listed], list[str]]:
    """What the CSV lists (columns file, and optionally label, speaker, index, split), and paths that do not exist.

    `file` is relative to `src`; the label defaults to its first folder. Files that the CSV does not name are left out.
    Raises: ProjectError for an unreadable table, an unknown split, an index that is not a number.
    """
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            columns, rows = reader.fieldnames or [], list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ProjectError(
            f"cannot read the CSV `{table}`: {error}", hint="give a UTF-8 CSV with a header line"
        ) from error
    if "file" not in columns:
        raise ProjectError(
            f"the CSV `{table}` has no column `file`",
            details=[f"columns: {', '.join(columns) or 'none'}"],
            hint=f"use the columns {', '.join(_COLUMNS)}",
        )
    listed, absent = [], []
    for number, row in enumerate(rows, 2):
        item = _row(src, {k: (v or "").strip() for k, v in row.items() if k}, f"{table.name} line {number}")
        if item.path.is_file():
            listed.append(item)
        else:
            absent.append(row["file"])
    return (listed if "index" in columns else _numbered(listed)), absent


def _row(src: Path, row: dict[str, str], where: str) -> Listed:
    index, split = row.get("index") or "0", row.get("split", "").lower()
    if not index.isdigit():
        raise ProjectError(f"{where}: the index `{index}` is not a number", hint="number recordings from 0")
    if split and split not in _SPLIT_NAMES:
        raise ProjectError(f"{where}: unknown split `{split}`", hint=f"use {', '.join(SPLITS)}")
    label = row.get("label") or Path(row["file"]).parts[0]
    return Listed(src / row["file"], _label(label), row.get("speaker", ""), int(index), _SPLIT_NAMES.get(split, ""))


def _label(name: str) -> str:
    return SILENCE if name == BACKGROUND_FOLDER else name


def _numbered(listed: list[Listed]) -> list[Listed]:
    """Number each speaker's recordings of each label in path order."""
    counts: dict[tuple[str, str], int] = defaultdict(int)
    numbered = []
    for item in listed:
        key = item.label, item.speaker
        numbered.append(Listed(item.path, item.label, item.speaker, counts[key], item.split))
        counts[key] += 1
    return numbered
