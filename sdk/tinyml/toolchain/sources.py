"""A set of C files that a stage wrote, as the firmware build takes it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class CSources:
    """C files to compile and the folder of their headers."""

    sources: tuple[Path, ...]
    include_dir: Path
