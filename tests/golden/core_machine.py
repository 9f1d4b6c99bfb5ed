"""A bare core with flash and RAM that calls one function of an ELF: for cores that have no virtual board.

The emulated Cortex-M0 faults at every access that is not aligned, as silicon does.
"""

from __future__ import annotations

from pathlib import Path

import unicorn
from elftools.elf.elffile import ELFFile
from unicorn import arm_const as arm
from unicorn import riscv_const as riscv

FLASH, END, RAM, STACK = 0x0000_0000, 0x1000_0000, 0x2000_0000, 0x3000_0000
_ROOM, _STACK_ROOM, _PAGE = 4 << 20, 64 << 10, 4 << 10
_ARM_MODELS = {
    "cortex-m7": arm.UC_CPU_ARM_CORTEX_M7, "cortex-m33": arm.UC_CPU_ARM_CORTEX_M33,
    "cortex-m0plus": arm.UC_CPU_ARM_CORTEX_M0,
}  # fmt: skip


class CoreMachine:
    """`cpu` with the segments of `elf` in memory; `symbols` are the addresses of its functions and objects."""

    def __init__(self, cpu: str, elf: Path) -> None:
        self._arm = cpu in _ARM_MODELS
        if self._arm:
            self._engine = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB)
            self._engine.ctl_set_cpu_model(_ARM_MODELS[cpu])
        else:
            self._engine = unicorn.Uc(unicorn.UC_ARCH_RISCV, unicorn.UC_MODE_RISCV32)
        for origin, size in ((FLASH, _ROOM), (RAM, _ROOM), (STACK - _STACK_ROOM, _STACK_ROOM), (END, _PAGE)):
            self._engine.mem_map(origin, size)
        with elf.open("rb") as file:
            image = ELFFile(file)
            for segment in image.iter_segments("PT_LOAD"):
                self._engine.mem_write(segment["p_paddr"], segment.data())
            table = image.get_section_by_name(".symtab")
            self.symbols = {s.name: s["st_value"] for s in table.iter_symbols() if s.name}

    def poke(self, address: int, data: bytes) -> None:
        self._engine.mem_write(address, data)

    def peek(self, address: int, size_bytes: int) -> bytes:
        return bytes(self._engine.mem_read(address, size_bytes))

    def call(self, function: str) -> None:
        """Run `function()` to its return. Raises: AssertionError for a fault, with its place."""
        stack, link, pc = (
            (arm.UC_ARM_REG_SP, arm.UC_ARM_REG_LR, arm.UC_ARM_REG_PC) if self._arm else
            (riscv.UC_RISCV_REG_SP, riscv.UC_RISCV_REG_RA, riscv.UC_RISCV_REG_PC)
        )  # fmt: skip
        thumb = 1 if self._arm else 0
        self._engine.reg_write(stack, STACK - 64)
        self._engine.reg_write(link, END | thumb)
        try:
            self._engine.emu_start(self.symbols[function] | thumb, END)
        except unicorn.UcError as error:
            raise AssertionError(f"{error} at 0x{self._engine.reg_read(pc):08x}") from error
        assert self._engine.reg_read(pc) & ~1 == END, f"stopped at 0x{self._engine.reg_read(pc):08x}"
