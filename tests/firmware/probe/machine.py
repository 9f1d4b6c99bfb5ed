"""What the probe needs of the chip behind its debug port."""

from __future__ import annotations

from typing import Literal, Protocol

Stop = Literal["running", "breakpoint", "lockup"]


class Machine(Protocol):
    """An emulated chip. Registers are numbered as the DCRSR does: 0 to 15, 16 xPSR, 17 MSP, 18 PSP, 20 CFBP."""

    def read(self, address: int, size: int) -> bytes:
        """Bytes on the bus, peripherals included. Raises: BusError where nothing answers."""

    def write(self, address: int, data: bytes) -> None:
        """Write on the bus; flash obeys its controller. Raises: BusError where nothing answers."""

    def register(self, number: int) -> int: ...

    def set_register(self, number: int, value: int) -> None: ...

    def run(self, instructions: int) -> Stop:
        """Run at most about that many instructions from the current state."""

    def reset(self) -> None:
        """Leave the core at the first instruction of its reset handler."""

    def erase_all(self) -> None:
        """What the control access port's ERASEALL does: flash, UICR and RAM."""


class BusError(Exception):
    """Nothing answers at this address."""
