"""Windows of int8 features with their classes: what training and evaluation consume."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from tinyml.errors import ProjectError
from tinyml.storage import writing


@dataclass(frozen=True)
class FeatureSet:
    """`x` int8 [N, window_frames, mel_bins] as the front end puts them out, `y` int64 [N] indices into `labels`.

    `clip` int32 [N] is the index into the manifest's clips, -1 where no clip stands behind a window (noise).
    """

    x: np.ndarray
    y: np.ndarray
    clip: np.ndarray
    labels: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.y)

    def save(self, path: Path) -> None:
        """Write a .npz atomically."""
        with writing(Path(path)) as temporary, temporary.open("wb") as file:
            np.savez(file, x=self.x, y=self.y, clip=self.clip, labels=np.array(self.labels))

    @classmethod
    def load(cls, path: Path) -> FeatureSet:
        """Read what `save` wrote. Raises: ProjectError when the file is not one."""
        try:
            with Path(path).open("rb") as file, np.load(file) as stored:  # np.load leaves a damaged file open
                return cls(stored["x"], stored["y"], stored["clip"], tuple(str(label) for label in stored["labels"]))
        except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
            raise ProjectError(
                f"`{path}` holds no examples", details=[str(error)], hint="remove it and run again"
            ) from error

    @classmethod
    def concatenate(cls, parts: Sequence[FeatureSet]) -> FeatureSet:
        """All windows of several sets with the same labels; `clip` indices are those of the parts.

        Raises: ValueError when there is no part or the labels differ.
        """
        if len({part.labels for part in parts}) != 1:
            raise ValueError("feature sets with different labels cannot be joined")
        if len(parts) == 1:
            return parts[0]
        x, y, clip = (np.concatenate([getattr(part, name) for part in parts]) for name in ("x", "y", "clip"))
        return cls(x, y, clip, parts[0].labels)
