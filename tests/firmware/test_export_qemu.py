"""Exported networks on another emulator's boards: the folder's own test passes on five kinds of core."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.golden.networks import ds_cnn

from tinyml.board import load_isa, named_isa
from tinyml.errors import MissingToolError
from tinyml.exporters import export_c
from tinyml.toolchain import Object, select

START = Path(__file__).parent / "qemu" / "proof.c"
SCRIPT = """
MEMORY {{ CODE (rx) : ORIGIN = {code:#x}, LENGTH = 256K  DATA (rwx) : ORIGIN = {data:#x}, LENGTH = {ram_kib}K }}
SECTIONS {{
  .text : {{ KEEP(*(.vectors)) *(.text*) *(.rodata*) *(.srodata*) }} > CODE
  /DISCARD/ : {{ *(.ARM.exidx* .ARM.extab*) }}
  .data : {{ *(.data*) *(.sdata*) }} > DATA
  .bss (NOLOAD) : {{ *(.bss*) *(.sbss*) *(COMMON) }} > DATA
  __stack_top = ORIGIN(DATA) + LENGTH(DATA);
}}
"""


@dataclass(frozen=True)
class Machine:
    """A board of QEMU. Source of the addresses: QEMU's hw/arm and hw/riscv, and the boards' manuals (AN386, AN500,
    AN505, nRF51822; virt is QEMU's own)."""

    emulator: str
    board: str
    cpu: str
    isa: str
    code: int = 0x0000_0000
    data: int = 0x2000_0000
    ram_kib: int = 64


MACHINES = {
    "m4": Machine("qemu-system-arm", "mps2-an386", "cortex-m4", "armv7e-m"),
    "m7": Machine("qemu-system-arm", "mps2-an500", "cortex-m7", "armv7e-m"),
    "m33": Machine("qemu-system-arm", "mps2-an505", "cortex-m33", "armv7e-m", 0x1000_0000, 0x3800_0000),
    "m0": Machine("qemu-system-arm", "microbit", "cortex-m0plus", "armv6-m", ram_kib=16),
    "rv32": Machine("qemu-system-riscv32", "virt", "rv32imc", "rv32", 0x8000_0000, 0x8100_0000),
}


def built(machine: Machine, compiler: str, folder: Path, tmp_path: Path) -> Path:
    """The image for a board: the exported folder and a start-up of a few lines."""
    script = tmp_path / "qemu.ld"
    script.write_text(SCRIPT.format(code=machine.code, data=machine.data, ram_kib=machine.ram_kib))
    tool = select(compiler, load_isa(machine.cpu))
    objects = tool.compile(
        [Object(START, ("-fno-builtin",)), Object(folder / "m.c"), Object(folder / "m_test.c", ("-DM_TEST_NO_MAIN",))],
        tmp_path / "obj", include_dirs=[folder],
    )  # fmt: skip
    flags = ["-T", str(script), "-Wl,--gc-sections", "-Wl,-z,max-page-size=16", "-Wl,--entry=start"]
    return tool.link(objects, tmp_path / "proof.elf", flags=flags)


def run(machine: Machine, elf: Path) -> subprocess.CompletedProcess[str]:
    command = [machine.emulator, "-M", machine.board, "-nographic", "-monitor", "none", "-serial", "none",
               "-semihosting-config", "enable=on,target=native", "-kernel", str(elf)]  # fmt: skip
    if machine.emulator.endswith("riscv32"):
        command += ["-bios", "none"]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("compiler", ["zig", "gcc"])
@pytest.mark.parametrize("name", MACHINES)
def test_the_export_proves_itself_on_the_emulated_board(name: str, compiler: str, tmp_path: Path) -> None:
    machine = MACHINES[name]
    if shutil.which(machine.emulator) is None:
        pytest.skip(f"{machine.emulator} is not installed")
    export_c(ds_cnn(5, channels=8), named_isa(machine.isa), "m", tmp_path / "c")
    try:
        elf = built(machine, compiler, tmp_path / "c", tmp_path)
    except MissingToolError as error:
        pytest.skip(error.message)
    done = run(machine, elf)
    assert (done.returncode, (done.stdout + done.stderr).strip()) == (0, "m: pass")


def test_a_failure_reaches_the_exit_status(tmp_path: Path) -> None:
    machine = MACHINES["m4"]
    if shutil.which(machine.emulator) is None:
        pytest.skip(f"{machine.emulator} is not installed")
    export_c(ds_cnn(5, channels=8), named_isa(machine.isa), "m", tmp_path / "c")
    test = tmp_path / "c" / "m_test.c"
    test.write_text(test.read_text().replace("state = 1u;", "state = 2u;"))
    done = run(machine, built(machine, "zig", tmp_path / "c", tmp_path))
    assert (done.returncode, (done.stdout + done.stderr).strip()) == (1, "m: FAIL")
