"""pyOCD's own nRF52840 flash algorithm, run by the emulated core, programs the emulated flash through our runner."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from tinyml.board import Board
from tinyml.deploy import DeployOptions, choose, runners
from tinyml.errors import DeviceError, MissingToolError, ProjectError
from tinyml.firmware import build
from tinyml.firmware.segments import load_segments
from tinyml.sim.peripherals.pdm import Microphone

from .virtual_probe import VirtualProbe

Plug = Callable[..., VirtualProbe]
RUNNER = runners()["pyocd"]
UICR_APPROTECT, NVMC_CONFIG = 0x1000_1208, 0x4001_E504


@dataclass(frozen=True)
class Loaded:
    elf: Path


@pytest.fixture(scope="session")
def image(parts, tmp_path_factory: pytest.TempPathFactory):
    """The keyword application with the stand-in network, linked for the nRF52840."""
    from tinyml.board import load_board

    folder = tmp_path_factory.mktemp("image")
    return build(load_board("nrf52840"), "zig", parts.app_dir, parts.features, parts.model, parts.config, folder)


def assert_programmed(probe: VirtualProbe, elf: Path) -> None:
    for segment in load_segments(elf):
        assert probe.machine.board.peek(segment.address, len(segment.data)) == segment.data


def test_programs_verifies_and_starts_the_application(
    plug: Plug, board: Board, image, tones: np.ndarray, expected_console: str
) -> None:
    probe = plug()
    steps = []
    result = RUNNER.run(image, board, DeployOptions(), lambda what, done, total: steps.append((what, done, total)))
    assert_programmed(probe, image.elf)
    size = sum(len(segment.data) for segment in load_segments(image.elf))
    assert (result.bytes_written, result.bytes_verified, result.probe) == (size, size, "VIRTUAL0001")
    assert [what for what in ("erasing", "programming", "verifying") if any(s[0] == what for s in steps)] == [
        "erasing", "programming", "verifying",
    ]  # fmt: skip
    assert steps[-1] == ("verifying", size, size)

    machine = probe.machine.board
    assert probe.core.running, "the board is let go after the reset"
    machine.debugger_attached = False
    machine.pdm.microphone = Microphone(tones, 16000)
    machine.reset()
    start = len(machine.trace.console_text)
    machine.run(machine.now + round((len(tones) / 16000 + 0.3) * machine.cpu_hz))
    console = machine.trace.console_text[start:]
    assert console.startswith(expected_console)
    assert "detect label=low" in console


def test_a_running_application_is_replaced(plug: Plug, board: Board, image, tones: np.ndarray) -> None:
    probe = plug()
    machine = probe.machine.board
    machine.pdm.microphone = Microphone(tones, 16000)
    for segment in load_segments(image.elf):
        machine.poke(segment.address, segment.data)
    machine.reset()
    machine.run(round(0.5 * machine.cpu_hz))
    assert machine.pdm.first_start is not None, "the microphone's DMA is writing into RAM"
    other = image.elf.with_name("other.elf")
    other.write_bytes(image.elf.read_bytes().replace(b"scores ", b"SCORES "))
    resets: list[int] = []
    RUNNER.run(Loaded(other), board, DeployOptions(), lambda what, done, total: resets.append(probe.core.resets))
    assert resets[0] == 1, "its DMA must stop before the flash algorithm uses the RAM"
    assert_programmed(probe, other)
    assert load_segments(other) != load_segments(image.elf)


def test_flash_outside_of_the_image_is_kept(plug: Plug, board: Board, image) -> None:
    probe = plug()
    probe.machine.board.poke(0x8_0000, b"settings of another program")
    probe.machine.board.poke(0, bytes(0x9000))  # an older image
    RUNNER.run(image, board, DeployOptions())
    assert_programmed(probe, image.elf)
    assert probe.machine.board.peek(0x8_0000, 27) == b"settings of another program"


def test_a_second_deployment_writes_no_sector_again(plug: Plug, board: Board, image) -> None:
    probe = plug()
    RUNNER.run(image, board, DeployOptions())
    wear: list[int] = []
    nvmc = probe.machine.board.nvmc
    original = nvmc.write_erasepage
    nvmc._writers[0x508] = lambda value: (wear.append(value), original(value))[1]
    RUNNER.run(image, board, DeployOptions())
    assert wear == []
    assert_programmed(probe, image.elf)


def test_the_debug_port_of_new_chips_is_kept_open(plug: Plug, board: Board, image) -> None:
    probe = plug()
    ficr = next(p for p in probe.machine.board.peripherals if p.name == "FICR")
    ficr["INFO.VARIANT"] = struct.unpack(">I", b"AAF0")[0]  # the revision that locks itself
    RUNNER.run(image, board, DeployOptions())
    assert probe.machine.read(UICR_APPROTECT, 4) == b"\x5a\0\0\0"
    assert probe.machine.read(NVMC_CONFIG, 4) == bytes(4), "flash is left read-only"


def test_older_chips_keep_their_uicr(plug: Plug, board: Board, image) -> None:
    probe = plug()
    RUNNER.run(image, board, DeployOptions())
    assert probe.machine.read(UICR_APPROTECT, 4) == b"\xff" * 4


def test_flash_that_does_not_take_a_bit_is_found_by_reading_back(plug: Plug, board: Board, image) -> None:
    probe = plug()
    memory = probe.machine.board
    program = memory.nvmc.program
    spoilt = load_segments(image.elf)[0].address + 0x104

    def worn_out(address: int, data: bytes) -> bool:
        return program(address, b"\xff" * 4 if address == spoilt else data)

    memory.nvmc.program = worn_out
    with pytest.raises(DeviceError) as error:
        RUNNER.run(image, board, DeployOptions())
    assert f"differs from the image at {spoilt:#x}" in error.value.message
    assert error.value.exit_code == 4


def test_a_locked_chip_is_not_erased_unasked(plug: Plug, board: Board, image) -> None:
    probe = plug(locked=True)
    probe.machine.board.poke(0x1000, b"precious")
    with pytest.raises(DeviceError, match="locked") as error:
        RUNNER.run(image, board, DeployOptions())
    assert "--unlock" in error.value.hint
    assert probe.machine.board.peek(0x1000, 8) == b"precious"

    RUNNER.run(image, board, DeployOptions(unlock=True))
    assert_programmed(probe, image.elf)


def test_a_probe_that_does_not_answer(plug: Plug, board: Board, image) -> None:
    plug().broken = True
    with pytest.raises(DeviceError, match="USB device does not answer") as error:
        RUNNER.run(image, board, DeployOptions())
    assert "cable" in error.value.hint


def test_a_board_that_loses_power_while_it_is_programmed(plug: Plug, board: Board, image) -> None:
    probe = plug()

    def unplug(what: str, done: int, total: int) -> None:
        probe.broken = what == "programming" and done > 20

    with pytest.raises(DeviceError) as error:
        RUNNER.run(image, board, DeployOptions(), unplug)
    assert "VIRTUAL0001" in error.value.message
    assert error.value.hint


def test_several_probes_need_a_choice(plug: Plug, board: Board, image) -> None:
    first, second = plug("AAAA1111"), plug("BBBB2222")
    with pytest.raises(DeviceError) as error:
        RUNNER.run(image, board, DeployOptions())
    assert "--uid" in error.value.hint
    assert any("AAAA1111" in line for line in error.value.details)
    assert RUNNER.run(image, board, DeployOptions(uid="bbbb")).probe == "BBBB2222"
    assert_programmed(second, image.elf)
    assert first.machine.board.peek(0, 4) == b"\xff" * 4
    with pytest.raises(DeviceError, match="no attached debug probe matches `cccc`"):
        RUNNER.run(image, board, DeployOptions(uid="cccc"))


def test_no_probe(plug: Plug, board: Board, image) -> None:
    with pytest.raises(DeviceError, match="no debug probe is attached") as error:
        RUNNER.run(image, board, DeployOptions())
    assert "--to virtual" in error.value.hint and "--to uf2" in error.value.hint
    assert RUNNER.available(board) == "no debug probe is attached"


def test_the_probe_is_what_a_board_is_deployed_with(plug: Plug, board: Board) -> None:
    plug()
    assert RUNNER.available(board) is None
    assert choose(board).name == "pyocd"


def test_dry_run_touches_nothing(plug: Plug, board: Board, image) -> None:
    probe = plug()
    lines = RUNNER.plan(image, board, DeployOptions(unlock=True))
    assert "VIRTUAL0001" in lines[0]
    assert "erase the whole chip if" in lines[1]
    assert len(RUNNER.plan(None, board, DeployOptions())) == len(lines)
    assert (probe.transfers, probe.is_open) == (0, False)


def test_an_image_for_another_chip_is_refused_before_connecting(plug: Plug, board: Board, image) -> None:
    plug()
    small = type(board.memories[0])("flash", 0, 4096, False, "test")
    with pytest.raises(ProjectError, match="does not lie in the flash"):
        RUNNER.run(image, replace(board, memories=(small, *board.memories[1:])), DeployOptions())


def test_without_pyocd_the_error_is_the_command_to_install_it(
    board: Board, image, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingToolError) as error:
        RUNNER.run(image, board, DeployOptions())
    assert (error.value.exit_code, error.value.hint) == (3, 'run `pip install "tinyml[flash]"`')
    assert "tinyml[flash]" in RUNNER.available(board)
