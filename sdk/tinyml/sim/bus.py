"""Register addresses to peripherals."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from tinyml.sim.faults import BusError
from tinyml.sim.peripherals.peripheral import Peripheral

PAGE_BYTES = 0x1000

# Addresses outside the manual that Nordic's errata sheet tells software to write: address -> anomaly.
ERRATA = {
    0x4000010C: "nRF52840 Errata, anomaly 36 (CLOCK): clear undocumented event",
    0x40000110: "nRF52840 Errata, anomaly 36 (CLOCK): clear undocumented event",
    0x40000538: "nRF52840 Errata, anomaly 36 (CLOCK): clear undocumented event",
    0x4000173C: "nRF52840 Errata, anomaly 182 (RADIO)",
    0x4000568C: "nRF52840 Errata, anomaly 98 (NFCT)",
}


class Bus:
    """All modelled registers by address; `register_name` gives the vendor's name of others, for messages."""

    def __init__(self, peripherals: Iterable[Peripheral], register_name: Callable[[int], str] = hex) -> None:
        self.register_name = register_name
        self._registers: dict[int, tuple[Peripheral, int]] = {}
        for peripheral in peripherals:
            for offset, register in peripheral.table.items():
                address = peripheral.base + offset
                if address in self._registers:
                    other = self._registers[address][0]
                    raise ValueError(f"{peripheral.name}.{register.name} and {other.name} share 0x{address:08x}")
                self._registers[address] = (peripheral, offset)

    @property
    def pages(self) -> list[int]:
        """Addresses of the pages that hold registers."""
        return sorted({address & ~(PAGE_BYTES - 1) for address in self._registers})

    def find(self, address: int, size_bytes: int) -> tuple[Peripheral, int] | None:
        """The register of an access; None for an erratum's address. Raises: BusError."""
        found = self._registers.get(address & ~3)
        if found is None:
            if address in ERRATA:
                return None
            raise BusError("unmodelled register", f"access to {self.register_name(address)}")
        peripheral, offset = found
        if (size_bytes != 4 or address & 3) and not peripheral.table[offset].name.startswith(peripheral.bytewise):
            raise BusError("bus error", f"{8 * size_bytes}-bit access to 0x{address:08x}, a 32-bit register")
        return found

    def read(self, address: int, size_bytes: int = 4) -> int:
        """A load by the processor or a debugger. Raises: BusError."""
        found = self.find(address, size_bytes)
        if found is None:
            return 0
        value = found[0].read(found[1])
        return value >> 8 * (address & 3) & ((1 << 8 * size_bytes) - 1)

    def write(self, address: int, size_bytes: int, value: int) -> None:
        """A store by the processor or a debugger. Raises: BusError."""
        found = self.find(address, size_bytes)
        if found is None:
            return
        peripheral, offset = found
        if size_bytes != 4:
            shift, mask = 8 * (address & 3), (1 << 8 * size_bytes) - 1
            value = peripheral.read(offset) & ~(mask << shift) | (value & mask) << shift
        peripheral.write(offset, value)
