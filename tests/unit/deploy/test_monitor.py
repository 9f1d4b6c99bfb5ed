"""The serial console, over a pseudo-terminal that stands in for the USB port."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from tinyml.deploy.monitor import console_lines
from tinyml.errors import DeviceError, MissingToolError, ProjectError

from .cases import make_board

pty = pytest.importorskip("pty", reason="this system has no pseudo-terminals")


@dataclass
class Terminal:
    name: str
    descriptor: int

    def send_later(self, data: bytes) -> None:
        # Opening the port discards what came before, so the board must speak a little later.
        threading.Timer(0.2, lambda: os.write(self.descriptor, data)).start()


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    master, slave = pty.openpty()
    yield Terminal(os.ttyname(slave), master)
    time.sleep(0.05)
    os.close(master)
    os.close(slave)


BOARD = make_board()
CONSOLE = replace(BOARD, features={"console": {"baud": 115200}})


def test_lines_arrive_whole(terminal: Terminal) -> None:
    terminal.send_later(b"tinyml kws\r\ndetect label=yes score=0.930 t_ms=1240\r\n\xff\xfe\r\nrest")
    lines = list(console_lines(CONSOLE, terminal.name, seconds=0.8))
    assert lines == ["tinyml kws", "detect label=yes score=0.930 t_ms=1240", "\ufffd\ufffd", "rest"]


def test_the_caller_may_stop_early(terminal: Terminal) -> None:
    terminal.send_later(b"one\ntwo\n")
    lines = console_lines(CONSOLE, terminal.name, seconds=30)
    assert next(lines) == "one"
    lines.close()


def test_noise_without_line_ends_is_not_kept_for_ever(terminal: Terminal) -> None:
    terminal.send_later(b"x" * 3000)
    threading.Timer(0.3, lambda: os.write(terminal.descriptor, b"y" * 3000)).start()
    assert "".join(console_lines(CONSOLE, terminal.name, seconds=1.0)) == "x" * 3000 + "y" * 3000


def test_a_port_that_is_absent() -> None:
    with pytest.raises(DeviceError, match="/dev/ttyNONE") as error:
        next(console_lines(CONSOLE, "/dev/ttyNONE"))
    assert error.value.exit_code == 4


@pytest.mark.parametrize(("ports", "says"), [([], "no USB serial port"), (["/dev/a", "/dev/b"], "several")])
def test_the_port_must_be_clear(ports: list[str], says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    @dataclass
    class Port:
        device: str
        vid: int = 0x1366

    monkeypatch.setattr("serial.tools.list_ports.comports", lambda: [Port(name) for name in ports])
    with pytest.raises(DeviceError, match=says) as error:
        next(console_lines(CONSOLE))
    assert "--port" in error.value.hint


def test_boards_without_a_console_and_systems_without_pyserial(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ProjectError, match="no console"):
        next(console_lines(BOARD))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingToolError, match="pyserial"):
        next(console_lines(CONSOLE))
