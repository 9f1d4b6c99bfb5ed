"""Deploy with a debug probe, through pyOCD: program, read back and compare, reset and run."""

from __future__ import annotations

import importlib.util
import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tinyml.board import Board
from tinyml.deploy.runner import DeployOptions, DeployResult, Image
from tinyml.errors import DeviceError, Progress, ProjectError, missing_extra, no_progress
from tinyml.firmware.segments import Segment, load_segments

if TYPE_CHECKING:
    from pyocd.core.session import Session
    from pyocd.probe.debug_probe import DebugProbe

_VERIFY_CHUNK_BYTES = 4096
_TRY = "check the cable and that the board has power, close other debuggers, and press reset while it connects"
_NO_PROBE_HINT = "attach one, or use `--to virtual` (no board needed) or `--to uf2` (file for the USB bootloader)"
_UICR_APPROTECT, _APPROTECT_OPEN, _ERASED_WORD = 0x1000_1208, 0x5A, 0xFFFF_FFFF


class PyocdRunner:
    """Reads `pyocd_target` from the board's `[deploy]`: the name of the chip in pyOCD."""

    name = "pyocd"
    behind_bootloader = False

    def available(self, board: Board) -> str | None:
        if "pyocd_target" not in board.deploy:
            return f"`{board.name}` has no debug port that pyOCD knows (no `pyocd_target` in its board file)"
        if importlib.util.find_spec("pyocd") is None:
            return 'the Python package `pyocd` is not installed: run `pip install "tinyml[flash]"`'
        return None if _probes() else "no debug probe is attached"

    def check(self, board: Board, options: DeployOptions) -> None:
        _target(board)
        select_probe(options.uid)

    def plan(self, image: Image | None, board: Board, options: DeployOptions) -> list[str]:
        target = _target(board)
        what = "the image"
        if image is not None:
            segments = check_image(load_segments(image.elf), board)
            what = f"{sum(len(segment.data) for segment in segments):,} bytes from {segments[0].address:#x}"
        attached = options.uid is not None or _probes()
        probe = _describe(select_probe(options.uid)) if attached else "a debug probe (none is attached now)"
        first = "erase the whole chip if its debug port is locked, then " if options.unlock else ""
        return [
            f"connect to {target} through {probe}, reset and halt it",
            f"{first}erase and program the sectors of {what} that differ",
            "read everything back and compare it",
            "reset the board and let it run",
        ]

    def run(self, image: Image, board: Board, options: DeployOptions, progress: Progress = no_progress) -> DeployResult:
        """Raises: DeviceError with the probe's own words, ProjectError, MissingToolError."""
        started = time.monotonic()
        segments = check_image(load_segments(image.elf), board)
        size = sum(len(segment.data) for segment in segments)
        probe = select_probe(options.uid)
        with _device_errors(_describe(probe)), _session(probe, board, options) as session:
            # A halted core does not halt its DMA: a running application would write into the flash algorithm's buffers.
            session.target.reset_and_halt()
            _keep_debug_port_open(session)
            _program(session, image, progress)
            verify(session, segments, progress)
            session.target.reset()
        seconds = time.monotonic() - started
        summary = (
            f"programmed and verified {size:,} bytes in {seconds:.1f} s through {_describe(probe)}",
            "the board runs the new image",
        )
        return DeployResult(
            self.name, board.name, summary, seconds, bytes_written=size, bytes_verified=size, probe=probe.unique_id
        )


def _target(board: Board) -> str:
    """The chip's name in pyOCD. Raises: ProjectError when the board has none."""
    if "pyocd_target" not in board.deploy:
        raise ProjectError(f"`{board.name}` cannot be flashed with pyOCD", hint="use `--to virtual` or `--to uf2`")
    return board.deploy["pyocd_target"]


def check_image(segments: tuple[Segment, ...], board: Board) -> tuple[Segment, ...]:
    """`segments`, when they lie in the board's flash. pyOCD itself only warns, and leaves out what does not.

    Raises: ProjectError.
    """
    _target(board)
    flash = board.memory(board.regions["code"])
    for segment in segments:
        if segment.address < flash.origin or segment.end > flash.origin + flash.length_bytes:
            raise ProjectError(
                f"the image does not lie in the flash of `{board.name}`",
                details=[
                    f"segment {segment.address:#x} to {segment.end:#x}",
                    f"flash   {flash.origin:#x} to {flash.origin + flash.length_bytes:#x}",
                ],
                hint="build it for this board: `tinyml build`",
            )
    return segments


def select_probe(uid: str | None) -> DebugProbe:
    """The attached probe whose serial number contains `uid`, or the only one.

    Raises: MissingToolError without pyOCD; DeviceError when there is none, or more than one to choose from.
    """
    if importlib.util.find_spec("pyocd") is None:
        raise missing_extra("flash", "pyocd")
    with _device_errors("the debug probe"):
        found = _probes(uid)
        if not found:
            others = [_describe(probe) for probe in _probes()] if uid else []
            what = f"no attached debug probe matches `{uid}`" if uid else "no debug probe is attached"
            details = others or (["Linux needs a udev rule for the probe"] if sys.platform == "linux" else [])
            raise DeviceError(what, details=details, hint=_NO_PROBE_HINT)
        if len(found) > 1:
            raise DeviceError(
                "several debug probes are attached", details=map(_describe, found), hint="choose one with `--uid`"
            )
        return found[0]


def _probes(uid: str | None = None) -> list[DebugProbe]:
    from pyocd.core.helpers import ConnectHelper

    return ConnectHelper.get_all_connected_probes(blocking=False, unique_id=uid)


def _describe(probe: DebugProbe) -> str:
    return f"{probe.description} [{probe.unique_id}]"


@contextmanager
def _session(probe: DebugProbe, board: Board, options: DeployOptions) -> Iterator[Session]:
    """A connection to the halted chip; the chip runs on afterwards.

    Raises: DeviceError when the debug port is locked and `options.unlock` does not permit to erase the chip.
    """
    from pyocd.core import exceptions
    from pyocd.core.session import Session

    session = Session(
        probe,
        auto_open=False,
        options={
            "target_override": _target(board),
            "frequency": options.frequency_hz,
            # pyOCD would erase a locked chip without asking.
            "auto_unlock": options.unlock,
            # The outcome must not depend on files that lie in the folder where the command runs.
            "no_config": True,
        },
    )
    with session:
        try:
            session.open()
        except Exception as error:
            _raise_if_locked(session)
            # Where it finds no core, pyOCD fails with errors that are not its own.
            raise exceptions.Error(f"cannot connect to {_target(board)}: {error}") from error
        _raise_if_locked(session)
        yield session


def _raise_if_locked(session: Session) -> None:
    """Raises: DeviceError when the chip's access protection keeps the debugger out (nRF52: APPROTECT)."""
    target = session.target
    if getattr(target, "ctrl_ap", None) is not None and target.is_locked():
        raise DeviceError(
            "the chip's debug port is locked (APPROTECT)",
            hint="`--unlock` opens it by erasing the whole chip, settings and bootloader included",
        )


def _keep_debug_port_open(session: Session) -> None:
    """Newer nRF52 revisions lock themselves at power-on unless UICR says otherwise; say it while the word is blank."""
    target: Any = session.target
    if getattr(target, "hardened_approtect", False) and target.read32(_UICR_APPROTECT) == _ERASED_WORD:
        target.write_uicr(_UICR_APPROTECT, _APPROTECT_OPEN)


def _program(session: Session, image: Image, progress: Progress) -> None:
    from pyocd.flash.file_programmer import FileProgrammer

    FileProgrammer(session, progress=_percent(progress), chip_erase="sector").program(str(image.elf), file_format="elf")


def _percent(progress: Progress) -> Callable[[float], None]:
    """pyOCD reports two runs from 0 to 1: erasing, then programming."""
    names = iter(("erasing", "programming"))
    state = {"what": next(names), "last": 0.0}

    def report(fraction: float) -> None:
        if fraction < state["last"]:
            state["what"] = next(names, state["what"])
        state["last"] = fraction
        progress(state["what"], round(fraction * 100), 100)

    return report


def verify(session: Session, segments: tuple[Segment, ...], progress: Progress = no_progress) -> None:
    """Read `segments` back from the chip. Raises: DeviceError with the first address that differs."""
    total, done = sum(len(segment.data) for segment in segments), 0
    for segment in segments:
        for offset in range(0, len(segment.data), _VERIFY_CHUNK_BYTES):
            wanted = segment.data[offset : offset + _VERIFY_CHUNK_BYTES]
            found = bytes(session.target.read_memory_block8(segment.address + offset, len(wanted)))
            if found != wanted:
                at = next(i for i, (a, b) in enumerate(zip(wanted, found, strict=True)) if a != b)
                raise DeviceError(
                    f"the flash differs from the image at {segment.address + offset + at:#x}",
                    details=[f"wrote {wanted[at]:#04x}, read back {found[at]:#04x}"],
                    hint="flash it again; if it stays, the cell is worn out or the region is write-protected",
                )
            done += len(wanted)
            progress("verifying", done, total)


@contextmanager
def _device_errors(where: str) -> Iterator[None]:
    """pyOCD's exceptions as DeviceError; what it logged as a warning or error becomes the details."""
    from pyocd.core import exceptions

    said: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("pyocd")
    logger.addHandler(handler)
    try:
        yield
    except (exceptions.Error, OSError) as error:
        raise DeviceError(f"{where}: {error or type(error).__name__}", details=said[-5:], hint=_TRY) from error
    finally:
        logger.removeHandler(handler)
