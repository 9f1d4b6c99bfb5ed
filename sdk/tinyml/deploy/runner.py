"""What every way of getting an image onto a board has in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from tinyml.board import Board
from tinyml.errors import Progress, no_progress

if TYPE_CHECKING:
    from tinyml.sim import SimResult


class Image(Protocol):
    """The part of a firmware build that is needed to flash it."""

    @property
    def elf(self) -> Path: ...


@dataclass(frozen=True)
class DeployOptions:
    """What a user may say about a deployment; each runner reads what concerns it.

    `uid` picks a debug probe by (part of) its serial number, `unlock` permits erasing a read-protected chip
    wholly, `frequency_hz` is the clock of the debug port. `output` is the .uf2 file to write (default: beside
    the ELF file) and `drive` the mounted bootloader to copy it to (default: the only one that fits, if any).
    `microphone` is int16[n] PCM at the board's rate, or an audio file; `seconds` how long to run (default: as
    long as the microphone); `profile` and `layers` go to the simulator.
    """

    uid: str | None = None
    unlock: bool = False
    frequency_hz: int = 4_000_000
    output: Path | None = None
    drive: Path | None = None
    microphone: np.ndarray | Path | None = None
    seconds: float | None = None
    profile: bool = True
    layers: Mapping[str, int] | None = None


@dataclass(frozen=True)
class DeployResult:
    """What a deployment did. `summary` is for people, one line each; the rest is for programs.

    `bytes_written` were programmed or copied and `bytes_verified` read back from the board and compared;
    `simulation` is set by the virtual board only.
    """

    runner: str
    board: str
    summary: tuple[str, ...]
    seconds: float
    bytes_written: int = 0
    bytes_verified: int = 0
    probe: str | None = None
    file: Path | None = None
    drive: Path | None = None
    simulation: SimResult | None = field(default=None, repr=False)


class Runner(Protocol):
    """One way of getting an image onto a board; implementations are listed in `registry`."""

    name: str
    behind_bootloader: bool  # the image has to be linked for the flash that the board's UF2 bootloader leaves

    def available(self, board: Board) -> str | None:
        """Why this cannot be done here and now, or None when it can."""

    def check(self, board: Board, options: DeployOptions) -> None:
        """Fail before anything is built when `run` would find no device. Raises: DeviceError, ProjectError."""

    def plan(self, image: Image | None, board: Board, options: DeployOptions) -> list[str]:
        """What `run` would do, one line per step, without touching the board (for `--dry-run`).

        Without an image (not built yet) the lines carry no sizes. Raises: as `run`, what can be known beforehand.
        """

    def run(self, image: Image, board: Board, options: DeployOptions, progress: Progress = no_progress) -> DeployResult:
        """Do it. Raises: DeviceError, ProjectError, MissingToolError."""
