"""Deploy by UF2: write the file, and copy it to the board's bootloader drive when that is mounted."""

from __future__ import annotations

import time
from pathlib import Path

from tinyml.board import Board
from tinyml.deploy import uf2, uf2_drive
from tinyml.deploy.runner import DeployOptions, DeployResult, Image
from tinyml.deploy.uf2_drive import Drive
from tinyml.errors import DeviceError, Progress, ProjectError, no_progress
from tinyml.firmware.segments import Segment, load_segments
from tinyml.storage import writing

_DRIVE_HINT = "press reset twice quickly so that the bootloader's drive appears"


class Uf2Runner:
    """Reads from the board's `[deploy]`: `uf2_family` (id), `uf2_origin` and `uf2_end` (the addresses between which
    the bootloader lets applications lie; without an end, to the end of the flash), `uf2_board_id` (what the drive's
    Board-ID starts with; absent: any), `uf2_softdevice` (what its SoftDevice line starts with; absent: not checked).
    """

    name = "uf2"
    behind_bootloader = True

    def available(self, board: Board) -> str | None:
        if "uf2_family" not in board.deploy:
            return f"`{board.name}` has no UF2 bootloader (no `uf2_family` in its board file)"
        if not fitting_drives(board):
            return "no UF2 bootloader drive is mounted"
        return None

    def check(self, board: Board, options: DeployOptions) -> None:
        select_drive(board, options.drive)

    def plan(self, image: Image | None, board: Board, options: DeployOptions) -> list[str]:
        family = _family(board)
        if image is None:
            steps = [f"write a .uf2 file (family {family:#010x})"]
        else:
            blocks = len(uf2.pages(check_image(load_segments(image.elf), board)))
            steps = [f"write {_output(image, options)} ({blocks} blocks, family {family:#010x})"]
        drive = select_drive(board, options.drive)
        if drive is None:
            return [*steps, *_no_drive(board)]
        return [*steps, f"copy it to {drive.path} ({drive.model or drive.board_id})"]

    def run(self, image: Image, board: Board, options: DeployOptions, progress: Progress = no_progress) -> DeployResult:
        """Raises: ProjectError (image or disk), DeviceError (drive)."""
        started = time.monotonic()
        segments = check_image(load_segments(image.elf), board)
        drive = select_drive(board, options.drive)
        data = uf2.encode(segments, _family(board))
        output = _output(image, options)
        with writing(output, hint="free some space or choose another place with `--output`") as temporary:
            temporary.write_bytes(data)
        summary = [f"wrote {output} ({len(data):,} bytes, {len(data) // uf2.BLOCK_BYTES} blocks)"]
        if drive is None:
            summary.extend(_no_drive(board))
        else:
            uf2_drive.copy_to(drive, output, progress)
            summary.append(f"copied to {drive.path}; the board restarts into the new image")
        return DeployResult(
            self.name, board.name, tuple(summary), time.monotonic() - started, bytes_written=len(data),
            file=output, drive=drive.path if drive else None,
        )  # fmt: skip


def check_image(segments: tuple[Segment, ...], board: Board) -> tuple[Segment, ...]:
    """`segments`, when the bootloader of `board` may be given them.

    Raises: ProjectError when the board has no UF2 bootloader, or the image lies where the bootloader does.
    """
    _family(board)
    if "uf2_origin" not in board.deploy:
        raise ProjectError(
            f"the board file of `{board.name}` does not say which flash its bootloader leaves to applications",
            hint="set `uf2_origin` under [deploy]: the wrong address would overwrite the bootloader",
        )
    flash = board.memory(board.regions["code"])
    first = board.deploy["uf2_origin"]
    end = board.deploy.get("uf2_end", flash.origin + flash.length_bytes)
    start, stop = segments[0].address, segments[-1].end
    if start < first:
        raise ProjectError(
            f"the image would overwrite the bootloader of `{board.name}`",
            details=[f"the image starts at {start:#x}, applications start at {first:#x} on this board"],
            hint="build it for this bootloader: `tinyml deploy --to uf2`",
        )
    if stop > end:
        raise ProjectError(
            f"the image does not fit below the bootloader of `{board.name}`",
            details=[f"the image ends at {stop:#x}, applications end at {end:#x} on this board"],
            hint="make the network smaller (`model.width_mult`), or flash with a debug probe: `--to pyocd`",
        )
    return segments


def _family(board: Board) -> int:
    """The family id that the bootloader accepts. Raises: ProjectError when the board has no UF2 bootloader."""
    if "uf2_family" not in board.deploy:
        raise ProjectError(
            f"`{board.name}` has no UF2 bootloader", hint="use `--to pyocd` with a debug probe, or `--to virtual`"
        )
    return board.deploy["uf2_family"]


def fitting_drives(board: Board) -> list[Drive]:
    """The mounted bootloaders of this kind of board."""
    return [drive for drive in uf2_drive.find_drives() if _misfit(drive, board) is None]


def select_drive(board: Board, path: Path | None) -> Drive | None:
    """The drive at `path`, or the only fitting one, or None when none is mounted.

    Raises: DeviceError when `path` is no drive of this board's, or when several fit.
    """
    if path is not None:
        drive = uf2_drive.read_drive(path)
        if drive is None:
            raise DeviceError(f"`{path}` is not the drive of a UF2 bootloader", hint=_DRIVE_HINT)
        reason = _misfit(drive, board)
        if reason is not None:
            raise DeviceError(f"the drive `{path}` does not fit `{board.name}`", details=[reason])
        return drive
    fitting = fitting_drives(board)
    if len(fitting) > 1:
        names = [f"{drive.path}  {drive.model} ({drive.board_id})" for drive in fitting]
        raise DeviceError("several UF2 drives fit", details=names, hint="choose one with `--drive PATH`")
    return fitting[0] if fitting else None


def _no_drive(board: Board) -> list[str]:
    """What to tell a user for whom only the file could be written."""
    others = [f"not copied to {drive.path}: {_misfit(drive, board)}" for drive in uf2_drive.find_drives()]
    return others or [f"no bootloader drive is mounted: {_DRIVE_HINT}, then copy the file to it"]


def _misfit(drive: Drive, board: Board) -> str | None:
    wanted = board.deploy.get("uf2_board_id", "")
    if not drive.board_id.lower().startswith(wanted.lower()):
        return f"its Board-ID is `{drive.board_id}`, expected `{wanted}...`"
    softdevice = board.deploy.get("uf2_softdevice", "")
    # Older bootloaders write "S140 version 6.1.1", newer ones "S140 6.1.1".
    if drive.softdevice and not drive.softdevice.lower().replace("version ", "").startswith(softdevice.lower()):
        return f"it holds SoftDevice `{drive.softdevice}`, the image is linked for `{softdevice}`"
    return None


def _output(image: Image, options: DeployOptions) -> Path:
    return options.output or image.elf.with_suffix(".uf2")
