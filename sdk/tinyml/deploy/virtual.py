"""Deploy to the virtual board: run the image that would be flashed, with a recording in its microphone."""

from __future__ import annotations

import importlib.util
import time
from pathlib import Path

import numpy as np

from tinyml.board import Board
from tinyml.deploy.runner import DeployOptions, DeployResult, Image
from tinyml.errors import Progress, ProjectError, missing_extra, no_progress
from tinyml.firmware.segments import load_segments


class VirtualRunner:
    """The emulated chip of `tinyml.sim`; needs no hardware."""

    name = "virtual"
    behind_bootloader = False

    def available(self, board: Board) -> str | None:
        if board.svd is None:
            return f"`{board.name}` has no virtual board"
        if importlib.util.find_spec("unicorn") is None:
            return 'the Python package `unicorn` is not installed: run `pip install "tinyml[sim]"`'
        return None

    def check(self, board: Board, options: DeployOptions) -> None:
        _check_board(board)
        if importlib.util.find_spec("unicorn") is None:
            raise missing_extra("sim", "unicorn")

    def plan(self, image: Image | None, board: Board, options: DeployOptions) -> list[str]:
        _check_board(board)
        what = "the image"
        if image is not None:
            what = f"{sum(len(segment.data) for segment in load_segments(image.elf)):,} bytes of {image.elf}"
        return [
            f"load {what} into the virtual `{board.name}`",
            f"play {_describe(options)} into its microphone and print its console",
        ]

    def run(self, image: Image, board: Board, options: DeployOptions, progress: Progress = no_progress) -> DeployResult:
        """Raises: ProjectError for a board without a virtual twin or a recording that cannot be read."""
        self.check(board, options)
        from tinyml.sim import simulate

        started = time.monotonic()
        size = sum(len(segment.data) for segment in load_segments(image.elf))
        microphone = _pcm(options.microphone, board)
        result = simulate(
            board, image.elf, microphone=microphone, seconds=options.seconds, profile=options.profile,
            layers=options.layers,
        )  # fmt: skip
        summary = (f"ran {result.seconds:.1f} s on the virtual `{board.name}` in {result.host_seconds:.1f} s",)
        return DeployResult(
            self.name, board.name, summary, time.monotonic() - started, bytes_written=size, simulation=result
        )


def _check_board(board: Board) -> None:
    if board.svd is None:
        raise ProjectError(f"`{board.name}` has no virtual board", hint="choose a board of `tinyml boards`")


def _describe(options: DeployOptions) -> str:
    if options.microphone is None:
        return "silence"
    if isinstance(options.microphone, np.ndarray):
        return f"{len(options.microphone):,} samples"
    return str(options.microphone)


def _pcm(microphone: np.ndarray | Path | None, board: Board) -> np.ndarray | None:
    """int16[n] at the board's microphone rate. Raises: ProjectError when the file is no audio."""
    if not isinstance(microphone, Path):
        return microphone
    from tinyml.data.pcm import read_recording

    return read_recording(microphone, int(board.features["microphone"]["rate_hz"]))
