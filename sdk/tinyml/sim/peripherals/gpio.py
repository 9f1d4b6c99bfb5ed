"""GPIO ports P0 and P1; levels that the firmware drives go into the trace.

Source: nRF52840 Product Specification v1.7, section 6.9.
"""

from __future__ import annotations

from tinyml.sim.peripherals.peripheral import Peripheral, Register, array


class Gpio(Peripheral):
    """A port; inputs read 0 unless `inputs` says otherwise."""

    first_pin = 0
    registers = (
        Register("OUT", 0x504), Register("OUTSET", 0x508), Register("OUTCLR", 0x50C), Register("IN", 0x510, access="r"),
        Register("DIR", 0x514), Register("DIRSET", 0x518), Register("DIRCLR", 0x51C), Register("LATCH", 0x520),
        Register("DETECTMODE", 0x524),
        *array("PIN_CNF", 0x700, 32, reset=2),
    )  # fmt: skip

    def reset(self) -> None:
        super().reset()
        self.inputs = 0
        self._driven: dict[int, int] = {}

    def _change(self, out: int, direction: int) -> None:
        self["OUT"], self["DIR"] = out, direction
        for pin in range(32):
            level = self["OUT"] >> pin & 1
            if self["DIR"] >> pin & 1 and self._driven.get(pin) != level:
                self._driven[pin] = level
                self.machine.trace.pin(self.machine.now, self.first_pin + pin, level)

    def write_out(self, value: int) -> None:
        self._change(value, self["DIR"])

    def write_outset(self, value: int) -> None:
        self._change(self["OUT"] | value, self["DIR"])

    def write_outclr(self, value: int) -> None:
        self._change(self["OUT"] & ~value, self["DIR"])

    def read_outset(self) -> int:
        return self["OUT"]

    read_outclr = read_outset

    def write_dir(self, value: int) -> None:
        self._change(self["OUT"], value)

    def write_dirset(self, value: int) -> None:
        self._change(self["OUT"], self["DIR"] | value)

    def write_dirclr(self, value: int) -> None:
        self._change(self["OUT"], self["DIR"] & ~value)

    def read_dirset(self) -> int:
        return self["DIR"]

    read_dirclr = read_dirset

    def read_in(self) -> int:
        return self["OUT"] & self["DIR"] | self.inputs & ~self["DIR"]

    def write(self, offset: int, value: int) -> None:
        super().write(offset, value)
        if 0x700 <= offset < 0x780:  # the direction stands in PIN_CNF too
            bit = 1 << (offset - 0x700) // 4
            self._change(self["OUT"], self["DIR"] | bit if value & 1 else self["DIR"] & ~bit)


class Port0(Gpio):
    name, base, first_pin = "P0", 0x50000000, 0


class Port1(Gpio):
    name, base, first_pin = "P1", 0x50000300, 32
