"""Writing files and folders so that nobody ever sees, or trusts, half of one."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tinyml.errors import ProjectError


def _cannot_write(path: Path, error: OSError) -> ProjectError:
    full = error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))
    hint = "free some space and run the command again; nothing was lost" if full else "check the folder's permissions"
    return ProjectError(f"cannot write `{path}`: {error.strerror or error}", hint=hint)


@contextmanager
def writing(target: Path) -> Iterator[Path]:
    """Give a temporary path beside `target`; it takes `target`'s place when the block ends well, else it vanishes.

    Raises: ProjectError for any OSError, a full disk included.
    """
    temporary = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        temporary.replace(target)
    except OSError as error:
        raise _cannot_write(target, error) from error
    finally:
        temporary.unlink(missing_ok=True)


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
