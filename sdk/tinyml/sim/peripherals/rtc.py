"""RTC0, RTC1, RTC2: 24-bit counters on the low-frequency clock; they run in sleep.

Source: nRF52840 Product Specification v1.7, section 6.22. As there, a compare value of COUNTER or COUNTER + 1 may
come too late: this model never fires it before the counter wraps.
"""

from __future__ import annotations

from tinyml.sim.events import Event
from tinyml.sim.peripherals.clock import LFCLK_HZ, Clock
from tinyml.sim.peripherals.peripheral import Machine, Peripheral, Register, array

_WRAP = 1 << 24
_TICK, _OVERFLOW, _COMPARE = 0, 1, 16


class Rtc(Peripheral):
    """Base of the three counters."""

    compares = 4
    tasks = {"START": 0x000, "STOP": 0x004, "CLEAR": 0x008, "TRIGOVRFLW": 0x00C}

    def __init__(self, machine: Machine, clock: Clock) -> None:
        self._clock = clock
        clock.lfclk_listeners.append(self._clock_changed)
        super().__init__(machine)

    def reset(self) -> None:
        super().reset()
        self.evten = 0
        self._started = False
        self._running = False
        self._origin_tick = 0  # LFCLK tick at which the counter was 0
        self._held = 0
        self._armed: list[Event | None] = [None] * (self.compares + 2)

    # Ticks of the low-frequency clock are counted from cycle 0, in exact integers.
    def _tick(self) -> int:
        return self.machine.now * LFCLK_HZ // self.machine.cpu_hz

    def _cycle(self, tick: int) -> int:
        return -(-tick * self.machine.cpu_hz // LFCLK_HZ)

    @property
    def _divider(self) -> int:
        return (self["PRESCALER"] & 0xFFF) + 1

    def read_counter(self) -> int:
        count = (self._tick() - self._origin_tick) // self._divider if self._running else self._held
        return count % _WRAP

    def next_change(self, offset: int) -> int | None:
        if offset != 0x504 or not self._running:
            return None
        count = (self._tick() - self._origin_tick) // self._divider
        return self._cycle(self._origin_tick + (count + 1) * self._divider)

    def _set_running(self, running: bool) -> None:
        if running and not self._running:
            self._origin_tick = self._tick() - self._held * self._divider
        elif self._running and not running:
            self._held = self.read_counter()
        self._running = running
        self._arm_all()

    def _clock_changed(self, running: bool) -> None:
        self._set_running(self._started and running)

    def task_start(self) -> None:
        self._started = True
        self._set_running(self._clock.lfclk_running)

    def task_stop(self) -> None:
        self._started = False
        self._set_running(False)

    def task_clear(self) -> None:
        self._held = 0
        self._origin_tick = self._tick()
        self._arm_all()

    def task_trigovrflw(self) -> None:
        self._held = 0xFFFFF0
        self._origin_tick = self._tick() - 0xFFFFF0 * self._divider
        self._arm_all()

    def _arm_all(self) -> None:
        for index in range(self.compares + 2):
            self._arm(index)

    def _arm(self, index: int, least_distance: int = 1) -> None:
        """Schedule compare `index`; the two after the last compare are the overflow and the tick."""
        old = self._armed[index]
        if old is not None:
            old.cancel()
        self._armed[index] = None
        bit = {self.compares: _OVERFLOW, self.compares + 1: _TICK}.get(index, _COMPARE + index)
        if not self._running or not (self.inten | self.evten) >> bit & 1:
            return
        count = (self._tick() - self._origin_tick) // self._divider
        if bit == _TICK:
            target = count + 1
        else:
            value = 0 if bit == _OVERFLOW else self[f"CC[{index}]"] % _WRAP
            distance = (value - count) % _WRAP
            target = count + (distance if distance >= least_distance else distance + _WRAP)
        cycle = self._cycle(self._origin_tick + target * self._divider)
        self._armed[index] = self.machine.at(cycle, lambda: self._fire(index, bit))

    def _fire(self, index: int, bit: int) -> None:
        name = {_TICK: "TICK", _OVERFLOW: "OVRFLW"}.get(bit, f"COMPARE[{index}]")
        self._arm(index)
        self.raise_event(name)

    def write(self, offset: int, value: int) -> None:
        super().write(offset, value)
        index = (offset - 0x540) // 4
        if 0 <= index < self.compares:
            self._arm(index, least_distance=2)

    def write_intenset(self, value: int) -> None:
        super().write_intenset(value)
        self._arm_all()

    def write_intenclr(self, value: int) -> None:
        super().write_intenclr(value)
        self._arm_all()

    def write_evten(self, value: int) -> None:
        self.evten = value
        self._arm_all()

    def write_evtenset(self, value: int) -> None:
        self.write_evten(self.evten | value)

    def write_evtenclr(self, value: int) -> None:
        self.write_evten(self.evten & ~value)

    def read_evten(self) -> int:
        return self.evten

    read_evtenset = read_evten
    read_evtenclr = read_evten


def _events(compares: int) -> dict[str, int]:
    return {"TICK": 0x100, "OVRFLW": 0x104, **{f"COMPARE[{i}]": 0x140 + 4 * i for i in range(compares)}}


def _registers() -> tuple[Register, ...]:
    # The SVD gives every RTC four CC registers, though RTC0 has three.
    enables = (Register("EVTEN", 0x340), Register("EVTENSET", 0x344), Register("EVTENCLR", 0x348))
    return (*enables, Register("COUNTER", 0x504, access="r"), Register("PRESCALER", 0x508), *array("CC", 0x540, 4))


class Rtc0(Rtc):
    name, base, irq, compares = "RTC0", 0x4000B000, 11, 3
    events, registers = _events(3), _registers()


class Rtc1(Rtc):
    name, base, irq = "RTC1", 0x40011000, 17
    events, registers = _events(4), _registers()


class Rtc2(Rtc):
    name, base, irq = "RTC2", 0x40024000, 36
    events, registers = _events(4), _registers()
