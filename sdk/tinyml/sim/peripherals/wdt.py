"""WDT: only what a flash algorithm does, which reads whether the watchdog runs and feeds it.

Source: nRF52840 Product Specification v1.7, section 6.36. Starting it is refused: a firmware that relies on
its reset must not seem to work here.
"""

from __future__ import annotations

from tinyml.sim.faults import BusError
from tinyml.sim.peripherals.peripheral import Peripheral, Register, array


class Wdt(Peripheral):
    """A watchdog that never runs."""

    name, base = "WDT", 0x40010000
    tasks = {"START": 0x000}
    registers = (
        Register("RUNSTATUS", 0x400, access="r"), Register("REQSTATUS", 0x404, 1, "r"),
        Register("CRV", 0x504, 0xFFFFFFFF), Register("RREN", 0x508, 1), Register("CONFIG", 0x50C, 1),
        *array("RR", 0x600, 8, access="w"),
    )  # fmt: skip

    def task_start(self) -> None:
        raise BusError("unmodelled register", "the watchdog was started, which is not modelled")
