"""Stage artifacts: folders named by the hash of everything they were made from, renamed into place when whole."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tinyml.errors import Announce, ProjectError
from tinyml.resources import PACKAGE_DIR
from tinyml.storage import is_disk_full

_CODE_SUFFIXES = (".py", ".c", ".h", ".toml", ".ld")


@dataclass(frozen=True)
class Artifact:
    """A finished stage: `path` is its folder, `fresh` tells whether this call made it."""

    stage: str
    key: str
    path: Path
    fresh: bool


@dataclass(frozen=True)
class Store:
    """The `build/` folder of a project: `build/<stage>/<key>/`, plus `.work` folders of unfinished stages."""

    root: Path

    def path(self, stage: str, key: str) -> Path:
        return self.root / stage / key[:16]

    def has(self, stage: str, key: str) -> bool:
        return self.path(stage, key).is_dir()

    def work_dir(self, stage: str, key: str) -> Path:
        """A folder that survives a killed run (checkpoints); removed when the stage is done."""
        return self.root / stage / f".{key[:16]}.work"

    def make(self, stage: str, key: str, build: Callable[[Path], None]) -> Artifact:
        """The artifact for `key`; `build(folder)` fills a temporary folder that becomes it by one rename.

        Raises: ProjectError when the disk is full; whatever `build` raises. Nothing is left behind in either case.
        """
        final = self.path(stage, key)
        if final.is_dir():
            return Artifact(stage, key, final, fresh=False)
        partial = final.with_name(f".{final.name}.tmp{os.getpid()}")
        self.sweep()
        with disk_full_is_an_error(self.root):
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir(parents=True)
            try:
                build(partial)
                _take_place(partial, final)
            finally:
                shutil.rmtree(partial, ignore_errors=True)
        shutil.rmtree(self.work_dir(stage, key), ignore_errors=True)
        return Artifact(stage, key, final, fresh=True)

    def sweep(self, older_than_s: float = 86400.0) -> None:
        """Remove temporary folders that killed processes left behind; young ones may belong to a running process."""
        for leftover in self.root.glob("*/.*.tmp*"):
            if time.time() - leftover.stat().st_mtime > older_than_s:
                shutil.rmtree(leftover, ignore_errors=True)


@dataclass(frozen=True)
class Stages:
    """A store whose stages are announced, each key once."""

    store: Store
    announce: Announce
    _announced: set[str] = field(default_factory=set)

    def make(
        self, stage: str, key: str, build: Callable[[Path], None], upstream: Callable[[], object] | None = None,
        detail: str = "",
    ) -> Artifact:  # fmt: skip
        """Load or make an artifact; what it needs is made, and announced, before it."""
        if self.store.has(stage, key):
            if key not in self._announced:
                self.announce(stage, f"up to date {detail}".strip())
        else:
            if upstream:
                upstream()
            self.announce(stage, f"running {detail}".strip())
        self._announced.add(key)
        return self.store.make(stage, key, build)


def _take_place(partial: Path, final: Path) -> None:
    """Rename; where another process has made the same artifact in the meantime, that one stays."""
    try:
        partial.replace(final)
    except OSError:
        if not final.is_dir():
            raise


@contextmanager
def disk_full_is_an_error(folder: Path) -> Iterator[None]:
    """Turns ENOSPC into a ProjectError that names the folder."""
    try:
        yield
    except OSError as error:
        if not is_disk_full(error):
            raise
        raise ProjectError(
            f"the disk that holds `{folder}` is full; finished stages are kept, the unfinished one was removed",
            hint="free some space and run the same command again",
        ) from error


def digest(*parts: Any) -> str:
    """SHA-256 over JSON of the parts; dataclasses and paths are spelled out."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=_plain).encode()).hexdigest()


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, tuple | frozenset):
        return list(value)
    raise TypeError(f"{type(value).__name__} cannot be part of a stage key")


def files_digest(paths: Iterable[Path]) -> str:
    """SHA-256 over names and contents of files."""
    total = hashlib.sha256()
    for path in sorted(paths):
        total.update(path.name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


@cache
def code_digest(*packages: str) -> str:
    """SHA-256 over the sources of subpackages (or modules) of tinyml: an upgrade rebuilds what it changed."""
    files: list[Path] = []
    for name in packages:
        path = PACKAGE_DIR / name
        files += [f for f in path.rglob("*") if f.suffix in _CODE_SUFFIXES] if path.is_dir() else [path]
    return files_digest(files)
