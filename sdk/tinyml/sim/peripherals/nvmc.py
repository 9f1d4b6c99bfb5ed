"""NVMC, the flash controller, with FICR and UICR, the information pages.

Source: nRF52840 Product Specification v1.7, sections 4.3 (NVMC), 4.4 (FICR), 4.5 (UICR); write and erase times from
section 4.3.8. A write only clears bits; a page (4096 bytes) is erased to ones.
"""

from __future__ import annotations

from typing import Protocol

from tinyml.sim.faults import BusError
from tinyml.sim.peripherals.peripheral import Machine, Peripheral, Register, array

PAGE_BYTES = 4096
WRITE_S = 41e-6  # t_WRITE
ERASE_PAGE_S = 85e-3  # t_ERASEPAGE
ERASE_ALL_S = 169e-3  # t_ERASEALL
_WRITE_ENABLED, _ERASE_ENABLED = 1, 2


class FlashMemory(Protocol):
    """The bytes that the controller programs and erases."""

    flash_origin: int
    flash_bytes: int

    def peek(self, address: int, size_bytes: int) -> bytes: ...
    def poke(self, address: int, data: bytes) -> None: ...


class Nvmc(Peripheral):
    """Programs and erases the flash."""

    name, base = "NVMC", 0x4001E000
    registers = (
        Register("READY", 0x400, 1, "r"), Register("READYNEXT", 0x408, 0, "r"), Register("CONFIG", 0x504),
        Register("ERASEPAGE", 0x508), Register("ERASEALL", 0x50C), Register("ERASEPCR0", 0x510),
        Register("ERASEUICR", 0x514), Register("ERASEPAGEPARTIAL", 0x518),
        Register("ERASEPAGEPARTIALCFG", 0x51C, 0xA), Register("ICACHECNF", 0x540), Register("IHIT", 0x548),
        Register("IMISS", 0x54C),
    )  # fmt: skip

    def __init__(self, machine: Machine, memory: FlashMemory, uicr: Uicr) -> None:
        self._memory = memory
        self._uicr = uicr
        super().__init__(machine)

    def reset(self) -> None:
        super().reset()
        self._busy_until = 0

    def _busy(self, seconds: float) -> None:
        start = max(self.machine.now, self._busy_until)
        self._busy_until = start + round(seconds * self.machine.cpu_hz)

    def read_ready(self) -> int:
        return int(self.machine.now >= self._busy_until)

    read_readynext = read_ready

    def next_change(self, offset: int) -> int | None:
        return self._busy_until if offset in (0x400, 0x408) and self.machine.now < self._busy_until else None

    def program(self, address: int, data: bytes) -> bool:
        """A write into the flash: clears bits. False when writing is not enabled or not by whole words."""
        if self["CONFIG"] & 3 != _WRITE_ENABLED or len(data) != 4 or address & 3:
            return False
        old = self._memory.peek(address, 4)
        self._memory.poke(address, bytes(a & b for a, b in zip(old, data, strict=True)))
        self._busy(WRITE_S)
        return True

    def _need_erase_enabled(self) -> None:
        if self["CONFIG"] & 3 != _ERASE_ENABLED:
            raise BusError("bus error", "flash erase while NVMC.CONFIG does not enable erasing")

    def write_erasepage(self, value: int) -> None:
        self._need_erase_enabled()
        page = value & ~(PAGE_BYTES - 1)
        if page >= self._memory.flash_origin + self._memory.flash_bytes:
            raise BusError("bus error", f"flash erase of 0x{value:08x}, which is no flash page")
        self._memory.poke(page, b"\xff" * PAGE_BYTES)
        self._busy(ERASE_PAGE_S)

    write_erasepcr0 = write_erasepage
    write_erasepagepartial = write_erasepage

    def write_eraseall(self, value: int) -> None:
        if value & 1:
            self._need_erase_enabled()
            self._memory.poke(self._memory.flash_origin, b"\xff" * self._memory.flash_bytes)
            self._uicr.erase()
            self._busy(ERASE_ALL_S)

    def write_eraseuicr(self, value: int) -> None:
        if value & 1:
            self._need_erase_enabled()
            self._uicr.erase()
            self._busy(ERASE_PAGE_S)

    def write_enabled(self) -> bool:
        """Whether CONFIG allows writing."""
        return self["CONFIG"] & 3 == _WRITE_ENABLED


class Ficr(Peripheral):
    """Factory information: page and flash size, part, variant and memory sizes."""

    name, base = "FICR", 0x10000000
    registers = (
        Register("CODEPAGESIZE", 0x010, PAGE_BYTES, "r"), Register("CODESIZE", 0x014, 256, "r"),
        *array("DEVICEID", 0x060, 2, reset=0x54494E59, access="r"), Register("DEVICEADDRTYPE", 0x0A0, access="r"),
        *array("DEVICEADDR", 0x0A4, 2, access="r"), Register("INFO.PART", 0x100, 0x52840, "r"),
        Register("INFO.VARIANT", 0x104, 0x41414430, "r"), Register("INFO.PACKAGE", 0x108, 0x2004, "r"),
        Register("INFO.RAM", 0x10C, 256, "r"), Register("INFO.FLASH", 0x110, 1024, "r"),
    )  # fmt: skip


class Uicr(Peripheral):
    """User information: pins of reset and NFC, protection; programmed like flash."""

    name, base, survives_reset = "UICR", 0x10001000, True
    _ERASED = 0xFFFFFFFF
    registers = (
        *array("NRFFW", 0x014, 13, reset=_ERASED), *array("NRFHW", 0x050, 12, reset=_ERASED),
        *array("CUSTOMER", 0x080, 32, reset=_ERASED), *array("PSELRESET", 0x200, 2, reset=_ERASED),
        Register("APPROTECT", 0x208, _ERASED), Register("NFCPINS", 0x20C, _ERASED),
        Register("DEBUGCTRL", 0x210, _ERASED), Register("REGOUT0", 0x304, _ERASED),
    )  # fmt: skip

    def __init__(self, machine: Machine) -> None:
        self.nvmc: Nvmc | None = None
        super().__init__(machine)

    def erase(self) -> None:
        """All ones."""
        self.values = dict.fromkeys(self.values, self._ERASED)

    def write(self, offset: int, value: int) -> None:
        if self.nvmc is None or not self.nvmc.write_enabled():
            raise BusError("bus error", "write to UICR while NVMC.CONFIG does not enable writing")
        self.values[offset] &= value
