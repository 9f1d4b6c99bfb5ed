"""Shared libraries for the host, built from the same C sources as the firmware and cached by content."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import platformdirs

from tinyml.board import Isa
from tinyml.storage import writing
from tinyml.toolchain.compiler import OPTIMISE, WARNINGS, run, select

HOST = Isa("host")
_SUFFIX = {"win32": ".dll", "darwin": ".dylib"}


def cache_dir() -> Path:
    """Folder for compiled host libraries; `TINYML_CACHE_DIR` overrides the user's cache folder."""
    return Path(os.environ.get("TINYML_CACHE_DIR") or platformdirs.user_cache_dir("tinyml", appauthor=False))


def host_library(
    name: str, sources: Sequence[Path], *, include_dirs: Sequence[Path] = (), defines: Sequence[str] = (),
    flags: Sequence[str] = (),
) -> Path:  # fmt: skip
    """Build (or reuse) a shared library from C sources; returns its path.

    The key covers the sources, every header of `include_dirs` and the flags. Two processes that build at once
    are safe: the file is renamed into place. Raises: ProjectError, MissingToolError.
    """
    compiler = select("zig", HOST)
    digest = hashlib.sha256(repr((sys.platform, tuple(defines), tuple(flags), OPTIMISE)).encode())
    headers = [h for folder in include_dirs for h in sorted(folder.glob("*.[ch]"))]
    for path in [*sources, *headers]:
        digest.update(path.name.encode() + path.read_bytes())
    out = cache_dir() / "host" / f"{name}-{digest.hexdigest()[:20]}{_SUFFIX.get(sys.platform, '.so')}"
    if out.exists():
        return out
    with writing(out) as partial:
        run([*compiler.command, "-std=c11", "-shared", "-fPIC", *OPTIMISE, *WARNINGS, "-g0",
             *(f"-D{d}" for d in defines), *(f"-I{d}" for d in include_dirs), *flags,
             *map(str, sources), "-o", str(partial)], f"building the host library {name}")  # fmt: skip
    for leftover in out.parent.glob(f"{partial.stem}*"):  # import libraries and the like
        leftover.unlink(missing_ok=True)
    return out
