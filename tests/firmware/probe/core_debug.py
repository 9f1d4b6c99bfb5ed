"""The debug registers of a Cortex-M4 and its ROM table, as a debugger sees them on the AHB-AP.

Source: Armv7-M Architecture Reference Manual (DDI 0403E), C1.6 (debug registers), C1.11 (FPB), D1 (ROM table);
Cortex-M4 TRM (DDI 0439), tables 4-1 and 9-1; nRF52840 PS v1.7, 4.10.
"""

from __future__ import annotations

import struct

from .machine import Machine, Stop

ROM_TABLE, SCS, DWT, FPB = 0xE00F_F000, 0xE000_E000, 0xE000_1000, 0xE000_2000
AIRCR = 0xE000_ED0C
DHCSR, DCRSR, DCRDR, DEMCR, DFSR = 0xE000_EDF0, 0xE000_EDF4, 0xE000_EDF8, 0xE000_EDFC, 0xE000_ED30
C_DEBUGEN, C_HALT, C_STEP = 1, 2, 4
S_REGRDY, S_HALT, S_LOCKUP, S_RESET_ST = 1 << 16, 1 << 17, 1 << 19, 1 << 25
SLICE = 4_000_000  # instructions between two looks of the debugger: more than erasing a page takes

_CONSTANT = {  # ROM table entries, then ISAR3, CLIDR, MPU_TYPE, MVFR0 to 2, and DWT_COMP and DWT_FUNCTION
    ROM_TABLE: 0xFFF0_F003, ROM_TABLE + 4: 0xFFF0_2003, ROM_TABLE + 8: 0xFFF0_3003,
    0xE000_ED6C: 0x0111_1131, 0xE000_ED78: 0, 0xE000_ED90: 0x0000_0800,
    0xE000_EF40: 0x1011_0021, 0xE000_EF44: 0x1100_0011, 0xE000_EF48: 0,
    **{DWT + 0x20 + 4 * i: 0 for i in range(16)}, **{ROM_TABLE + 4 * i: 0 for i in range(3, 16)},
}  # fmt: skip
_PARTS = {  # PIDR0 to 3, JEP106 continuation, component class; the ROM table is Nordic's, the rest Arm's
    ROM_TABLE: (0xC_4008, 2, 0x1), SCS: (0xB_B00C, 4, 0xE), DWT: (0xB_B002, 4, 0xE), FPB: (0xB_B003, 4, 0xE),
}  # fmt: skip


class CoreDebug:
    """What a debugger finds on the private peripheral bus beside the registers that the machine itself models."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.running = True
        self.resets = 0
        self._dhcsr = 0
        self._state = {DCRDR: 0, DEMCR: 0, DFSR: 0}
        self._was_reset = True

    def covers(self, address: int) -> bool:
        """Whether this class answers at `address`; the machine does elsewhere."""
        identification = address & 0xFFFF_F000 in _PARTS and address & 0xFFF >= 0xFD0
        return identification or address in _CONSTANT or address in self._state or address in (DHCSR, DCRSR, AIRCR)

    def read(self, address: int) -> int:
        block, offset = address & 0xFFFF_F000, address & 0xFFF
        if block in _PARTS and offset >= 0xFD0:
            return _identification(offset, *_PARTS[block])
        if address == DHCSR:
            return self._read_dhcsr()
        if address == AIRCR:
            return 0xFA05_0000
        return self._state.get(address, _CONSTANT.get(address, 0))

    def write(self, address: int, value: int) -> None:
        if address == DHCSR and value >> 16 == 0xA05F:
            self._write_dhcsr(value & 0xFFFF)
        elif address == DCRSR and not self.running:
            if value & 1 << 16:
                self.machine.set_register(value & 0x7F, self._state[DCRDR])
            else:
                self._state[DCRDR] = self.machine.register(value & 0x7F)
        elif address == DFSR:
            self._state[DFSR] &= ~value
        elif address == AIRCR and value >> 16 == 0x05FA and value & 4:
            self.reset()
        elif address in self._state:
            self._state[address] = value

    def reset(self) -> None:
        self.machine.reset()
        self.resets += 1
        self._was_reset = True
        catch = self._state[DEMCR] & 1 and self._dhcsr & C_DEBUGEN
        self.running = not catch
        self._dhcsr = self._dhcsr & ~C_HALT | (C_HALT if catch else 0)

    def _write_dhcsr(self, value: int) -> None:
        self._dhcsr = value
        if not value & C_DEBUGEN:
            self.running = True
        elif value & C_STEP and not value & C_HALT:
            self.machine.run(1)
            self._dhcsr |= C_HALT
        else:
            self.running = not value & C_HALT

    def _read_dhcsr(self) -> int:
        """The state of the core; a running one gets on a little, since nothing else moves its time."""
        stopped: Stop = self.machine.run(SLICE) if self.running else "running"
        if stopped == "breakpoint" and self._dhcsr & C_DEBUGEN:
            self.running = False
            self._dhcsr |= C_HALT
            self._state[DFSR] |= 2
        was_reset, self._was_reset = self._was_reset, False
        status = (0 if self.running else S_HALT | S_REGRDY) | (S_RESET_ST if was_reset else 0)
        return self._dhcsr | status | (S_LOCKUP if stopped == "lockup" else 0)


def _identification(offset: int, part: int, continuation: int, component_class: int) -> int:
    """PIDR4 to 7, PIDR0 to 3 and CIDR0 to 3 of a CoreSight component: twelve words with one byte in each."""
    layout = bytes((continuation, 0, 0, 0)) + struct.pack("<I", part) + bytes((0x0D, component_class << 4, 0x05, 0xB1))
    return layout[(offset - 0xFD0) // 4]
