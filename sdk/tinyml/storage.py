"""Writing files and folders so that nobody ever sees, or trusts, half of one."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tinyml.errors import ProjectError


def is_disk_full(error: OSError) -> bool:
    """Whether the error says that no space (or quota) is left."""
    return error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))  # Windows has no EDQUOT


def _cannot_write(path: Path, error: OSError, details: Iterable[str] = (), hint: str = "") -> ProjectError:
    reason = error.strerror or str(error)
    if is_disk_full(error):
        return ProjectError(
            f"cannot write `{path}`: {reason} (the disk is full)", details=details,
            hint=hint or "free some space and run the command again; nothing was lost",
        )  # fmt: skip
    return ProjectError(f"cannot write `{path}`: {reason}", details=details, hint="check the folder's permissions")


@contextmanager
def writing(target: Path, *, details: Iterable[str] = (), hint: str = "") -> Iterator[Path]:
    """Give a temporary path beside `target`; it takes `target`'s place when the block ends well, else it vanishes.

    `details` and `hint` (for a full disk) go into the error. The temporary name keeps the suffix, which tells some
    programs what to write. Raises: ProjectError for any OSError, a full disk included.
    """
    temporary = target.with_name(f".{target.stem}.{os.getpid()}.partial{target.suffix}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        temporary.replace(target)
    except OSError as error:
        raise _cannot_write(target, error, details, hint) from error
    finally:
        with suppress(OSError):  # the error that led here is the one to report
            temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 file as a whole, or leave the one that says the same. Raises: ProjectError."""
    if path.is_file() and path.read_bytes() == text.encode():
        return
    with writing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


@contextmanager
def writing_folder(target: Path, marker: str) -> Iterator[Path]:
    """Give a temporary folder beside `target` that takes its place when the block ends well.

    An existing `target` is replaced only when it is empty or holds a file named `marker`, which says that it is ours.
    Raises: ProjectError when `target` holds something else, and for any OSError.
    """
    if target.exists() and not target.is_dir():
        raise ProjectError(f"`{target}` is a file, not a folder", hint="name another folder")
    if target.is_dir() and any(target.iterdir()) and not (target / marker).is_file():
        raise ProjectError(
            f"`{target}` is not empty and holds no {marker}", hint="name another folder, or empty this one"
        )
    temporary = target.with_name(f".{target.name}.partial")
    retired = target.with_name(f".{target.name}.old")
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        yield temporary
        shutil.rmtree(retired, ignore_errors=True)
        if target.exists():
            target.replace(retired)
        temporary.replace(target)
        shutil.rmtree(retired, ignore_errors=True)
    except OSError as error:
        raise _cannot_write(target, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
