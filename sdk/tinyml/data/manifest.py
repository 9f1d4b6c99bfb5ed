"""The manifest: every clip with its label, split, speaker, licence and content hash.

On disk it is one folder with `manifest.jsonl`: a header line, then one line per clip, sorted. Paths inside the folder
are stored relative to it, so that the folder can be moved; imported clips keep the absolute path of their source.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from pathlib import Path

from tinyml.errors import ProjectError
from tinyml.storage import writing

FORMAT = 1
FILE_NAME = "manifest.jsonl"
SPLITS = ("train", "val", "test")

RECORDED = "recorded"
"""`Clip.engine` of a recording of a person; all other engines synthesise."""
ENROLLED = "enrolled"
"""`Clip.note` of a test speaker's recording that joins training."""
HELD_BACK = "held back"
"""`Clip.note` of a training speaker's recording that serves as validation."""


@dataclass(frozen=True)
class Clip:
    """One recording.

    `speaker` is the person or synthetic voice that must stand in one split only ("" when nobody knows), `voice` the
    engine's full name of it, `text` what is said (differs from `label` for `unknown`). `sample_rate_hz` is the rate of
    the original recording: audio above half of it does not exist. `sha256` hashes the decoded 16 kHz int16 samples,
    so that a WAV and a FLAC of the same recording are the same. An empty `licence` means that none is known.
    """

    path: str
    label: str
    split: str
    speaker: str
    engine: str
    licence: str
    source: str
    seconds: float
    sample_rate_hz: int
    sha256: str
    voice: str = ""
    text: str = ""
    note: str = ""


_FIELDS = {f.name: f.type for f in fields(Clip)}
_NUMBERS = {"seconds": (int, float), "sample_rate_hz": (int,)}


@dataclass(frozen=True)
class Manifest:
    """Clips below (or referenced from) `root`; `notes` are sentences that the audit repeats, such as skipped files."""

    root: Path
    clips: tuple[Clip, ...]
    notes: tuple[str, ...] = ()

    def select(self, *, split: str | None = None, label: str | Collection[str] | None = None) -> tuple[Clip, ...]:
        """The clips of one split and of one label (or any of several), in manifest order."""
        wanted = {label} if isinstance(label, str) else label
        return tuple(
            c for c in self.clips if (split is None or c.split == split) and (wanted is None or c.label in wanted)
        )

    @property
    def labels(self) -> tuple[str, ...]:
        """All labels, sorted."""
        return tuple(sorted({c.label for c in self.clips}))

    @cached_property
    def digest(self) -> str:
        """Hash of everything that training can see; independent of where the files lie."""
        rows = sorted(json.dumps({**asdict(c), "path": ""}, sort_keys=True) for c in self.clips)
        return hashlib.sha256("\n".join(rows).encode()).hexdigest()

    def save(self) -> Path:
        """Write `root/manifest.jsonl` atomically and return its path."""
        root = self.root.resolve()
        lines = [json.dumps({"format": FORMAT, "notes": list(self.notes)})]
        for clip in sorted(self.clips, key=lambda c: (c.split, c.label, c.path)):
            path = Path(clip.path)
            if path.is_absolute() and path.is_relative_to(root):
                clip = replace(clip, path=path.relative_to(root).as_posix())
            lines.append(json.dumps(asdict(clip)))
        target = root / FILE_NAME
        with writing(target) as temporary:
            temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return target

    @classmethod
    def load(cls, root: Path) -> Manifest:
        """Read `root/manifest.jsonl`; clip paths become absolute.

        Raises: ProjectError when it is absent or malformed.
        """
        root = Path(root).resolve()
        path = root / FILE_NAME
        if not path.is_file():
            raise ProjectError(
                f"there is no data in `{root}`",
                details=[f"{FILE_NAME} is missing"],
                hint="run `tinyml data synth` or `tinyml data import DIR`",
            )
        lines = path.read_text(encoding="utf-8").splitlines()
        try:
            header = json.loads(lines[0])
            if header["format"] != FORMAT:
                raise ValueError(f"format {header['format']}, this version reads {FORMAT}")
            clips = tuple(_clip(json.loads(line), root) for line in lines[1:])
            return cls(root, clips, tuple(header["notes"]))
        except (ValueError, KeyError, IndexError, TypeError) as error:
            raise ProjectError(
                f"`{path}` is not a manifest of this version", details=[str(error)], hint="make the data again"
            ) from error


def _clip(row: dict[str, object], root: Path) -> Clip:
    unknown = set(row) - set(_FIELDS)
    if unknown:
        raise ValueError(f"unknown field `{sorted(unknown)[0]}`")
    for name, value in row.items():
        if not isinstance(value, _NUMBERS.get(name, (str,))):
            raise ValueError(f"field `{name}` has the wrong type: {value!r}")
    if row.get("split") not in SPLITS:
        raise ValueError(f"split `{row.get('split')}` is none of {', '.join(SPLITS)}")
    clip = Clip(**row)  # type: ignore[arg-type]
    return replace(clip, path=str(root / clip.path))  # an absolute path stays as it is


def merge(manifests: Iterable[Manifest], root: Path) -> Manifest:
    """One manifest over several; clips keep their files. `root` is where `save` would write it."""
    parts = list(manifests)
    notes = tuple(dict.fromkeys(note for part in parts for note in part.notes))
    return Manifest(Path(root), tuple(clip for part in parts for clip in part.clips), notes)
