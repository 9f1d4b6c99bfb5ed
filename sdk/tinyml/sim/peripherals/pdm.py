"""PDM: the digital microphone's interface, with EasyDMA into one buffer after the other.

Source: nRF52840 Product Specification v1.7, section 6.15. SAMPLE.PTR and SAMPLE.MAXCNT are taken over when a buffer
starts (STARTED); the driver has until its end to write the next pointer. Without a new pointer the same buffer is
filled again, and what the driver had not yet fetched is lost.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tinyml.sim.faults import BusError
from tinyml.sim.peripherals.peripheral import Machine, Peripheral, Register

# PDMCLKCTRL -> clock in Hz: 32 MHz divided by 32, 31, 30, 26, 25, 24.
_DIVIDERS = {0x08000000: 32, 0x08400000: 31, 0x08800000: 30, 0x09800000: 26, 0x0A000000: 25, 0x0A800000: 24}
_RATIOS = {0: 64, 1: 80}
_SLICE = 80  # samples that are written to memory at a time: 5 ms, so that a late reader finds a torn buffer


@dataclass
class Microphone:
    """Sound in front of the board: int16 samples at `rate_hz`, then silence."""

    samples: np.ndarray
    rate_hz: int = 16000

    def take(self, first: int, count: int, rate_hz: float) -> np.ndarray:
        """`count` samples from index `first` at `rate_hz`; int16, unchanged when the rates are equal."""
        if rate_hz == self.rate_hz:
            part = self.samples[first : first + count]
            return np.concatenate([part, np.zeros(count - len(part), np.int16)])
        position = (first + np.arange(count)) * (self.rate_hz / rate_hz)
        sound = np.interp(position, np.arange(len(self.samples) + 1), np.append(self.samples, 0), right=0)
        return np.round(sound).astype(np.int16)


class Pdm(Peripheral):
    """One left-channel microphone; stereo is not modelled."""

    name = "PDM"
    base = 0x4001D000
    irq = 29
    has_inten = True
    tasks = {"START": 0x000, "STOP": 0x004}
    events = {"STARTED": 0x100, "STOPPED": 0x104, "END": 0x108}
    registers = (
        Register("ENABLE", 0x500), Register("PDMCLKCTRL", 0x504, 0x08400000), Register("MODE", 0x508),
        Register("GAINL", 0x518, 0x28), Register("GAINR", 0x51C, 0x28), Register("RATIO", 0x520),
        Register("PSEL.CLK", 0x540, 0xFFFFFFFF), Register("PSEL.DIN", 0x544, 0xFFFFFFFF),
        Register("SAMPLE.PTR", 0x560), Register("SAMPLE.MAXCNT", 0x564),
    )  # fmt: skip

    def __init__(self, machine: Machine, on_missed: Callable[[int], None]) -> None:
        self.microphone = Microphone(np.zeros(0, np.int16))
        self._on_missed = on_missed
        self.on_buffer: Callable[[], None] = lambda: None
        super().__init__(machine)

    def reset(self) -> None:
        super().reset()
        self._running = False
        self._rearmed = False
        self._origin = 0  # cycle of sample 0 of this run
        self.first_start: int | None = None  # cycle at which the sound began
        self._generation = 0

    @property
    def rate_hz(self) -> float:
        """Samples a second, from the clock divider and the decimation ratio."""
        return 32_000_000 / self._cycles_divider

    @property
    def _cycles_divider(self) -> int:
        divider, ratio = _DIVIDERS.get(self["PDMCLKCTRL"]), _RATIOS.get(self["RATIO"])
        if divider is None or ratio is None:
            raise BusError("unmodelled register", f"PDM clock 0x{self['PDMCLKCTRL']:08x} is no documented setting")
        return divider * ratio

    def _cycle_of(self, sample: int) -> int:
        return self._origin + sample * self._cycles_divider * self.machine.cpu_hz // 32_000_000

    def write_sample_ptr(self, value: int) -> None:
        self["SAMPLE.PTR"] = value
        self._rearmed = True

    def task_start(self) -> None:
        if not self["ENABLE"] & 1:
            raise BusError("usage fault", "PDM started while ENABLE is 0")
        if self["MODE"] & 1 == 0:
            raise BusError("unmodelled register", "PDM.MODE is stereo, which is not modelled: set OPERATION to mono")
        if self["PSEL.CLK"] >> 31 or self["PSEL.DIN"] >> 31:
            raise BusError("usage fault", "PDM started without its CLK and DIN pins (PSEL.CLK, PSEL.DIN)")
        self._generation += 1
        self._running = True
        self._origin = self.machine.now
        if self.first_start is None:
            self.first_start = self._origin
        # Sound goes on while the interface is stopped.
        self._sound = round((self._origin - self.first_start) * self.rate_hz / self.machine.cpu_hz)
        self._done = 0  # samples since the start
        self._latch(first=True)

    def task_stop(self) -> None:
        if self._running:
            self._running = False
            self._generation += 1
            self.raise_event("STOPPED")

    def _latch(self, *, first: bool = False) -> None:
        """Take the next buffer's address and length over."""
        if not first and not self._rearmed:
            self._on_missed(self._length)
        self._rearmed = False
        self._buffer, self._length = self["SAMPLE.PTR"], self["SAMPLE.MAXCNT"] & 0x7FFF
        if self._length == 0:
            raise BusError("usage fault", "PDM started a buffer with SAMPLE.MAXCNT = 0")
        if self._buffer & 3:
            raise BusError("bus error", f"PDM SAMPLE.PTR 0x{self._buffer:08x} is not word aligned")
        self._filled = 0
        self.raise_event("STARTED")
        self._schedule()

    def _schedule(self) -> None:
        count = min(_SLICE, self._length - self._filled)
        generation = self._generation

        def arrive() -> None:
            if generation == self._generation:
                self._store(count)

        self.machine.at(self._cycle_of(self._done + count), arrive)

    def _store(self, count: int) -> None:
        samples = self._amplify(self.microphone.take(self._sound + self._done, count, self.rate_hz))
        self.machine.dma_write(self.name, self._buffer + 2 * self._filled, samples.astype("<i2").tobytes())
        self._done += count
        self._filled += count
        if self._filled < self._length:
            self._schedule()
            return
        self.machine.trace.dma(self.machine.now, self.name, self._buffer, 2 * self._length)
        self.raise_event("END")
        self.on_buffer()
        self._latch()

    def _amplify(self, samples: np.ndarray) -> np.ndarray:
        """GAINL in steps of 0.5 dB around 0x28."""
        steps = (self["GAINL"] & 0x7F) - 0x28
        if steps == 0:
            return samples
        return np.clip(np.round(samples * 10.0 ** (steps / 40)), -32768, 32767).astype(np.int16)
