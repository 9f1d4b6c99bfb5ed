"""Firmware that goes wrong is stopped and named, with function, file and line."""

from __future__ import annotations

import re

import pytest

FAULTS = {
    "UNMAPPED_READ": ("bus error", "read from 0x30000000"),
    "UNMAPPED_WRITE": ("bus error", "write to 0x20040000"),
    "FLASH_WRITE": ("bus error", "write to 0x00000400"),
    "JUMP": ("bus error", "jump to 0x60000000, where no code is"),
    "ARM_STATE": ("usage fault", "jump to 0x00000100 without the Thumb bit"),
    "UNDEFINED": ("usage fault", "undefined instruction"),
    "BKPT": ("breakpoint", "BKPT without a debugger"),
    "UNMODELLED": ("unmodelled register", "0x4001d00c"),
    "UNMODELLED_PERIPHERAL": ("unmodelled register", "SPI0.ENABLE"),
    "BYTE_ACCESS": ("bus error", "8-bit access to 0x40002500"),
    "READ_ONLY": ("unmodelled register", "read-only register RTC1.COUNTER"),
    "DMA_FLASH": ("bus error", "UARTE0 EasyDMA of 4 bytes at 0x00000100: memory `flash` is not reached by DMA"),
    "LDM": ("usage fault", "unaligned"), "STM": ("usage fault", "unaligned"), "LDRD": ("usage fault", "unaligned"),
    "STRD": ("usage fault", "unaligned"), "VLDR": ("usage fault", "unaligned"), "VSTR": ("usage fault", "unaligned"),
    "VLDM": ("usage fault", "unaligned"), "LDREX": ("usage fault", "unaligned"),
    "LOADED_POINTER": ("usage fault", "unaligned"),
    "RESET": ("reset", "SYSRESETREQ"),
    "POLL": ("hang", "it polls the register at 0x40002104"),
    "LOOP": ("hang", "it loops in place"),
    "SPIN": ("hang", "neither slept nor wrote"),
}  # fmt: skip


def run_fault(run_program, name: str, compiler: str = "zig", extra: tuple[str, ...] = ()):
    return run_program("faults", [f"FAULT_{name}", *extra], compiler, seconds=0.4, hang_seconds=0.2)


@pytest.mark.parametrize("name", FAULTS)
def test_fault_is_named_with_its_place(run_program, marked_line, name: str) -> None:
    result = run_fault(run_program, name)
    kind, message = FAULTS[name]
    assert result.console == "before\n"
    assert result.fault is not None and result.fault.kind == kind
    assert message in result.fault.message
    assert result.fault.function == "wrong" and result.fault.file.endswith("faults.c")
    assert result.fault.line == marked_line("faults", f"FAULT_{name})")
    callers = [place.function for place in result.fault.backtrace]
    # clang saves no return address where it proves that there is no return.
    assert callers in (["middle", "main"], ["middle"])


def test_a_skipped_instruction_is_not_checked_but_an_executed_one_is(run_program) -> None:
    result = run_fault(run_program, "CONDITIONAL")
    assert result.console == "before\n" and result.fault.kind == "usage fault" and result.fault.function == "wrong"


@pytest.mark.parametrize("name", ["UNMAPPED_READ", "LDRD", "UNMODELLED", "POLL"])
def test_the_other_compiler_gives_the_same_report(run_program, marked_line, name: str) -> None:
    result = run_fault(run_program, name, "gcc")
    assert (result.fault.kind, result.fault.line) == (FAULTS[name][0], marked_line("faults", f"FAULT_{name})"))


def test_the_report_reads_well(run_program, marked_line) -> None:
    text = str(run_fault(run_program, "UNMAPPED_READ").fault)
    line = marked_line("faults", "FAULT_UNMAPPED_READ)")
    assert re.fullmatch(
        rf"bus error: read from 0x30000000\n  in wrong \(.*faults\.c:{line}\)\n  from middle \(.*faults\.c:\d+\)"
        r"\n  from main \(.*faults\.c:\d+\)",
        text,
    )


def test_the_firmwares_own_handler_runs_and_prints(run_program) -> None:
    bus = run_fault(run_program, "UNMAPPED_READ", extra=("HANDLED",))
    assert bus.console == f"before\nhfsr=1\ncfsr={1 << 9 | 1 << 15}\n"  # FORCED; PRECISERR and BFARVALID
    assert bus.fault.message == "read from 0x30000000"
    usage = run_fault(run_program, "LDRD", extra=("HANDLED", "USAGE_ENABLED"))
    assert usage.console == f"before\nusage={1 << 8}\n"  # UNALIGNED


def test_stack_overrun_is_a_fault_named_so(run_program, marked_line) -> None:
    result = run_program("stack", ["DEPTH=60"], seconds=0.2)
    assert result.console.startswith("shallow=1\n")
    assert result.fault.kind == "stack overrun" and result.fault.function == "deeper"
    assert len(result.fault.backtrace) >= 10
    assert {p.function for p in result.fault.backtrace} == {"deeper", "main"}
    assert result.fault.backtrace[-1].line == 18
    assert result.stack_high_water_bytes == result.stack_bytes == 2048


def test_stack_high_water_follows_the_depth(run_program) -> None:
    used = [run_program("stack", [f"DEPTH={n}"], seconds=0.2) for n in (5, 10, 15)]
    assert all(r.fault is None and "deep=1" in r.console for r in used)
    water = [r.stack_high_water_bytes for r in used]
    frame = (water[1] - water[0]) // 5
    assert frame >= 96 and water[2] - water[1] == water[1] - water[0] == 5 * frame


def test_a_damaged_image_is_a_project_error(board, tmp_path) -> None:
    from tinyml.errors import ProjectError
    from tinyml.sim import simulate

    path = tmp_path / "x.elf"
    path.write_bytes(b"\x7fELF but not really")
    with pytest.raises(ProjectError, match="no firmware image"):
        simulate(board, path)
    with pytest.raises(ProjectError, match="no firmware image"):
        simulate(board, tmp_path / "absent.elf")
