"""The serial console of a real board, line by line."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Iterator

from tinyml.board import Board
from tinyml.errors import DeviceError, ProjectError, missing_extra

_POLL_S = 0.1
_MOST_BYTES = 4096  # of one line: noise of a wrong baud rate holds no line end


def console_lines(board: Board, port: str | None = None, seconds: float | None = None) -> Iterator[str]:
    """Yield the lines that `board` prints, without their ends, for `seconds` (None: until the caller stops).

    `port` is the name of a serial port; without it the only one with USB identification is taken. Bytes that are no
    UTF-8 appear as replacement characters. The last line is yielded even when its end is missing.

    Raises: MissingToolError without pyserial; ProjectError when the board has no console; DeviceError when the port
    is absent, taken, not unique, or vanishes.
    """
    if "console" not in board.features:
        raise ProjectError(f"`{board.name}` has no console", hint="see [features] in its board file")
    if importlib.util.find_spec("serial") is None:
        raise missing_extra("flash", "pyserial")
    import serial

    name = port or _only_port()
    try:
        with serial.Serial(name, int(board.features["console"]["baud"]), timeout=_POLL_S) as connection:
            yield from _split(connection, seconds)
    except (serial.SerialException, OSError) as error:
        raise DeviceError(
            f"the console on `{name}` cannot be read: {error}",
            hint="close other terminals, check the cable, and on Linux that you are in the group `dialout`",
        ) from error


def _split(connection, seconds: float | None) -> Iterator[str]:
    end = None if seconds is None else time.monotonic() + seconds
    pending = b""
    while end is None or time.monotonic() < end:
        pending += connection.read(max(connection.in_waiting, 1))
        *complete, pending = pending.split(b"\n")
        if len(pending) > _MOST_BYTES:
            complete, pending = [*complete, pending], b""
        for line in complete:
            yield line.rstrip(b"\r").decode(errors="replace")
    if pending:
        yield pending.decode(errors="replace")


def _only_port() -> str:
    """The only USB serial port. Raises: DeviceError."""
    from serial.tools import list_ports

    found = sorted(port.device for port in list_ports.comports() if port.vid is not None)
    if not found:
        raise DeviceError("no USB serial port is attached", hint="connect the board, or name its port with `--port`")
    if len(found) > 1:
        raise DeviceError("several USB serial ports are attached", details=found, hint="choose one with `--port`")
    return found[0]
