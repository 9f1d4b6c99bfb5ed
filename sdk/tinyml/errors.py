"""The errors a user can meet, each with an exit code, and the progress callback every long step accepts.

An error says what happened, where, and what to do: `message` is one sentence, `details` are indented lines
below it, `hint` is the next command or change to try. Only `cli` prints them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

Progress = Callable[[str, int, int], None]
"""`progress(what, done, total)`: `what` is a short phrase ("training"), `done` counts up to `total` units."""


def no_progress(what: str, done: int, total: int) -> None:
    """A `Progress` that shows nothing."""


Announce = Callable[[str, str], None]
"""`announce(stage, state)`: "train", "running" or "up to date"."""


def no_announcement(stage: str, state: str) -> None:
    """An `Announce` that shows nothing."""


class TinymlError(Exception):
    """Base of all errors that are the user's to fix (exit code 1)."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None, details: Iterable[str] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details = tuple(details)


class ProjectError(TinymlError):
    """The project, its files or its data are wrong."""


class UsageError(TinymlError):
    """The command line is malformed."""

    exit_code = 2


class MissingToolError(TinymlError):
    """A compiler, an extra or another program is not installed; the hint is the exact command."""

    exit_code = 3


class DeviceError(TinymlError):
    """The board or its probe did not do what was asked."""

    exit_code = 4


class OverBudgetError(TinymlError):
    """The application does not fit the board or breaks one of its `[limits]`."""

    exit_code = 5


_EXTRA_OF_MODULE = {
    "torch": "train", "torchaudio": "train", "lightning_fabric": "train", "ray": "ray", "onnx": "onnx",
    "onnxruntime": "onnx", "unicorn": "sim", "capstone": "sim", "espeakng_loader": "speech",
    "pyocd": "flash", "serial": "flash",
}  # fmt: skip


def missing_extra(extra: str, module: str) -> MissingToolError:
    """The error for an import that failed because an optional dependency is absent."""
    return MissingToolError(
        f"the Python package `{module}` is not installed", hint=f'run `pip install "tinyml[{extra}]"`'
    )


def of_missing_module(error: ModuleNotFoundError) -> MissingToolError | None:
    """The error a user should see for a failed import; None when the module is no optional dependency."""
    module = (error.name or "").split(".")[0]
    extra = _EXTRA_OF_MODULE.get(module)
    return missing_extra(extra, module) if extra else None
