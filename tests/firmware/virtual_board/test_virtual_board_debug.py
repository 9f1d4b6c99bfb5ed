"""The board under a debugger: memory, registers, breakpoints, flash; and firmware that programs its own flash."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tinyml.board import Board
from tinyml.errors import DeviceError
from tinyml.sim import VirtualBoard
from tinyml.sim.elf import Image
from tinyml.sim.processor import Halt

FPB_CTRL, FPB_COMP, NVMC_CONFIG, NVMC_ERASEPAGE = 0xE0002000, 0xE0002008, 0x4001E504, 0x4001E508
AIRCR, SECOND = 0xE000ED0C, 64_000_000


def word(value: int) -> bytes:
    return value.to_bytes(4, "little")


@pytest.fixture
def loaded(board: Board, build_program: Callable[..., Path]) -> tuple[VirtualBoard, Image]:
    machine, image = VirtualBoard(board), Image(build_program("hello"))
    machine.program(image)
    machine.reset()
    return machine, image


def test_reset_loads_stack_and_entry_from_the_vectors(loaded: tuple[VirtualBoard, Image]) -> None:
    machine, image = loaded
    assert machine["pc"] == image.symbols["Reset_Handler"] & ~1
    assert machine["sp"] == machine["msp"] == image.symbols["__stack_top"]
    assert machine["lr"] == 0xFFFFFFFF and machine["xpsr"] == 1 << 24


def test_breakpoints_by_address_and_by_the_unit(loaded: tuple[VirtualBoard, Image]) -> None:
    machine, image = loaded
    main, handler = image.symbols["main"] & ~1, image.symbols["RTC1_IRQHandler"] & ~1
    machine.breakpoints = {main}
    assert machine.run(SECOND) is Halt.BREAKPOINT and machine["pc"] == main
    before = machine["pc"]
    machine.step()
    assert machine["pc"] in (before + 2, before + 4)
    machine.breakpoints = set()
    machine.write(FPB_CTRL, word(3))
    machine.write(FPB_COMP, word((handler & ~3) | (2 << 30 if handler & 2 else 1 << 30) | 1))
    for _ in range(2):
        assert machine.run(SECOND) is Halt.BREAKPOINT and machine["pc"] == handler
        assert machine["ipsr"] == 16 + 17 and machine["lr"] == 0xFFFFFFF9
    machine.write(FPB_CTRL, word(2))
    assert machine.run(SECOND) is Halt.DEADLINE and "ticks=5" in machine.trace.console_text


def test_a_breakpoint_instruction_halts_under_a_debugger(board: Board) -> None:
    machine = VirtualBoard(board)
    machine.poke(0x20000000, bytes.fromhex("0730" "00be" "fee7"))  # adds r0, #7; bkpt; b .
    machine.debugger_attached = True
    machine["sp"], machine["r0"], machine["pc"] = 0x20001000, 35, 0x20000000
    assert machine.run(SECOND) is Halt.BKPT
    assert machine["pc"] == 0x20000002 and machine["r0"] == 42


def test_memory_and_registers_of_peripherals(loaded: tuple[VirtualBoard, Image]) -> None:
    machine, _ = loaded
    machine.write(0x20000101, b"abc")
    assert machine.read(0x20000100, 5)[1:4] == b"abc"
    machine.write(0x50000514, word(0x2000))
    assert machine.read(0x50000514, 4) == word(0x2000)
    assert machine.read(0xE000ED00, 4) == word(0x410FC241)
    assert machine.read(0x10000100, 4) == word(0x52840)
    for address in (0x30000000, 0x40003500):
        with pytest.raises(DeviceError):
            machine.read(address, 4)
        with pytest.raises(DeviceError):
            machine.write(address, word(0))


def test_flash_obeys_its_controller(loaded: tuple[VirtualBoard, Image]) -> None:
    machine, _ = loaded
    with pytest.raises(DeviceError, match="forbids"):
        machine.write(0x50000, word(0))
    machine.write(NVMC_CONFIG, word(1))
    machine.write(0x50000, word(0x0F0F0F0F) + word(0x12345678))
    machine.write(0x50000, word(0x00FF00FF))
    assert machine.read(0x50000, 8) == word(0x000F000F) + word(0x12345678)
    machine.write(NVMC_CONFIG, word(2))
    machine.write(NVMC_ERASEPAGE, word(0x50000))
    assert machine.read(0x50000, 8) == b"\xff" * 8


def test_a_reset_by_the_debugger_starts_again(loaded: tuple[VirtualBoard, Image]) -> None:
    machine, image = loaded
    machine.run(SECOND // 2)
    machine.write(AIRCR, word(0x05FA0004))
    assert machine["pc"] == image.symbols["Reset_Handler"] & ~1
    assert machine.run(machine.now + SECOND) is Halt.DEADLINE
    assert machine.trace.console_text.count("hello") == 2


def test_firmware_programs_its_own_flash(run_program) -> None:
    result = run_program("flash", seconds=0.5)
    assert result.fault is None
    lines = dict(line.split("=") for line in result.console.splitlines())
    assert lines["erased"] == lines["written"] == lines["cleared"] == lines["again"] == "1"
    assert int(lines["erase_ticks"]) == pytest.approx(0.085 * 32768, abs=2)
    # The polls were skipped, but the processor was awake.
    assert result.active_cycles > 0.085 * SECOND and result.host_seconds < 5


def test_floating_point_without_the_fpu_is_a_fault(run_program, marked_line) -> None:
    result = run_program("no_fpu", seconds=0.1)
    assert result.console == "before\n"
    assert (result.fault.kind, result.fault.function) == ("usage fault", "main")
    assert "CPACR" in result.fault.message and abs(result.fault.line - marked_line("no_fpu")) <= 2
