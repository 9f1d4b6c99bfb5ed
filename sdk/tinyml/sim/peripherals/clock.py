"""CLOCK and POWER, which share one block of registers.

Source: nRF52840 Product Specification v1.7, sections 5.3 (POWER) and 5.4 (CLOCK); start-up times from section 5.4.4.
"""

from __future__ import annotations

from tinyml.sim.peripherals.peripheral import Machine, Peripheral, Register

HFXO_START_S = 360e-6  # t_START_HFXO, typical
LFXO_START_S = 0.25  # t_START_LFXO, typical
LFRC_START_S = 600e-6  # t_START_LFRC, typical
LFCLK_HZ = 32768
_RUNNING = 1 << 16


class Clock(Peripheral):
    """Starts the crystal (HFXO) and low-frequency clocks; the low-frequency clock drives the RTCs."""

    name = "CLOCK"
    base = 0x40000000
    irq = 0
    tasks = {"HFCLKSTART": 0x000, "HFCLKSTOP": 0x004, "LFCLKSTART": 0x008, "LFCLKSTOP": 0x00C}
    events = {"HFCLKSTARTED": 0x100, "LFCLKSTARTED": 0x104}
    registers = (
        Register("HFCLKRUN", 0x408, access="r"), Register("HFCLKSTAT", 0x40C, access="r"),
        Register("LFCLKRUN", 0x414, access="r"), Register("LFCLKSTAT", 0x418, access="r"),
        Register("LFCLKSRCCOPY", 0x41C, access="r"), Register("HFXODEBOUNCE", 0x528, 0x10),
        Register("LFCLKSRC", 0x518),
    )  # fmt: skip

    def __init__(self, machine: Machine) -> None:
        self.lfclk_listeners: list = []
        super().__init__(machine)

    def reset(self) -> None:
        super().reset()
        self.lfclk_running = False
        self._hf_generation = self._lf_generation = 0

    def _later(self, seconds: float) -> int:
        return self.machine.now + round(seconds * self.machine.cpu_hz)

    def task_hfclkstart(self) -> None:
        self["HFCLKRUN"] = 1
        self._hf_generation += 1
        generation = self._hf_generation

        def started() -> None:
            if generation == self._hf_generation:
                self["HFCLKSTAT"] = _RUNNING | 1
                self.raise_event("HFCLKSTARTED")

        self.machine.at(self._later(HFXO_START_S), started)

    def task_hfclkstop(self) -> None:
        self._hf_generation += 1
        self["HFCLKRUN"] = self["HFCLKSTAT"] = 0

    def task_lfclkstart(self) -> None:
        source = self["LFCLKSRC"] & 3
        self["LFCLKRUN"] = 1
        self["LFCLKSRCCOPY"] = source
        self._lf_generation += 1
        generation = self._lf_generation

        def started() -> None:
            if generation == self._lf_generation:
                self["LFCLKSTAT"] = _RUNNING | source
                self.lfclk_running = True
                for listener in self.lfclk_listeners:
                    listener(True)
                self.raise_event("LFCLKSTARTED")

        # Source 1 is the crystal; the RC oscillator and the one synthesised from HFCLK start fast.
        self.machine.at(self._later(LFXO_START_S if source == 1 else LFRC_START_S), started)

    def task_lfclkstop(self) -> None:
        self._lf_generation += 1
        self["LFCLKRUN"] = self["LFCLKSTAT"] = 0
        self.lfclk_running = False
        for listener in self.lfclk_listeners:
            listener(False)


class Power(Peripheral):
    """Reset reasons and supply switches; they hold what is written."""

    name = "POWER"
    base = 0x40000000
    tasks = {"CONSTLAT": 0x078, "LOWPWR": 0x07C}
    registers = (
        Register("RESETREAS", 0x400), Register("GPREGRET", 0x51C), Register("GPREGRET2", 0x520),
        Register("DCDCEN", 0x578), Register("DCDCEN0", 0x580), Register("MAINREGSTATUS", 0x640, access="r"),
    )  # fmt: skip

    def write_resetreas(self, value: int) -> None:
        self["RESETREAS"] = self["RESETREAS"] & ~value  # ones clear

    def task_constlat(self) -> None:
        """Latency is constant here."""

    def task_lowpwr(self) -> None:
        """Latency is constant here."""
