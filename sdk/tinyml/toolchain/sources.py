"""A set of C files that a stage wrote, as the firmware build takes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tinyml.storage import write_text


@dataclass(frozen=True)
class CSources:
    """C files to compile and the folder of their headers."""

    sources: tuple[Path, ...]
    include_dir: Path


def write_sources(files: Mapping[str, str], out_dir: Path) -> CSources:
    """Write C files and headers (name -> text), each as a whole; unchanged ones stay. Raises: ProjectError."""
    for name, text in files.items():
        write_text(out_dir / name, text)
    return CSources(tuple(out_dir / name for name in sorted(files) if name.endswith(".c")), out_dir)
