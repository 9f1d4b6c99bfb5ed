"""Which exception runs next: enables, pending bits, priorities and preemption of the NVIC.

Source: Armv7-M Architecture Reference Manual (DDI 0403E), B1.5 (exception model) and B3.4 (NVIC). Lower numbers are
more urgent; the nRF52840 implements the upper three bits of a priority.
"""

from __future__ import annotations

from dataclasses import dataclass, field

RESET, NMI, HARD_FAULT, MEM_MANAGE, BUS_FAULT, USAGE_FAULT, SVCALL, PENDSV, SYSTICK = 1, 2, 3, 4, 5, 6, 11, 14, 15
FIRST_IRQ = 16
IRQ_COUNT = 48
PRIORITY_BITS = 0xE0
IDLE_PRIORITY = 256
_FIXED = {RESET: -3, NMI: -2, HARD_FAULT: -1}


@dataclass(frozen=True)
class Masks:
    """PRIMASK, FAULTMASK and BASEPRI of the core."""

    primask: int = 0
    faultmask: int = 0
    basepri: int = 0


@dataclass
class ExceptionState:
    """The NVIC's memory; numbers are exception numbers (interrupt n is 16 + n)."""

    priorities: dict[int, int] = field(default_factory=dict)
    enabled: set[int] = field(default_factory=set)  # interrupts; system exceptions are always enabled
    pending: set[int] = field(default_factory=set)
    active: list[int] = field(default_factory=list)  # innermost last
    lines: set[int] = field(default_factory=set)  # interrupt lines that are high
    group_bits: int = 0  # AIRCR.PRIGROUP

    def priority(self, number: int) -> int:
        """The full priority of an exception, sub-priority included."""
        return _FIXED.get(number, self.priorities.get(number, 0))

    def _group(self, priority: int) -> int:
        return priority if priority < 0 else priority >> (self.group_bits + 1) << (self.group_bits + 1)

    def execution_priority(self, masks: Masks) -> int:
        """What an exception must beat to preempt now."""
        level = min((self._group(self.priority(n)) for n in self.active), default=IDLE_PRIORITY)
        if masks.basepri:
            level = min(level, self._group(masks.basepri))
        if masks.primask:
            level = min(level, 0)
        return min(level, -1) if masks.faultmask else level

    def set_line(self, number: int, level: bool) -> None:
        """Drive an interrupt line; a rising level makes it pending."""
        if level and number not in self.lines:
            self.lines.add(number)
            if number not in self.active:
                self.pending.add(number)
        elif not level:
            self.lines.discard(number)

    def _ready(self) -> list[int]:
        return [n for n in self.pending if n < FIRST_IRQ or n in self.enabled]

    @property
    def anything_ready(self) -> bool:
        """Whether an enabled exception is pending, whatever the masks say."""
        return bool(self.pending) and bool(self._ready())

    def next(self, masks: Masks) -> int | None:
        """The pending exception that preempts now, or None."""
        if not self.pending:
            return None
        ready = self._ready()
        if not ready:
            return None
        best = min(ready, key=lambda n: (self.priority(n), n))
        return best if self._group(self.priority(best)) < self.execution_priority(masks) else None

    def wakes(self, masks: Masks) -> bool:
        """Whether WFI ends: something would preempt if PRIMASK were clear."""
        return self.next(Masks(0, masks.faultmask, masks.basepri)) is not None

    def begin(self, number: int) -> None:
        """The exception starts to run."""
        self.pending.discard(number)
        self.active.append(number)

    def end(self, number: int) -> None:
        """The exception returns; an interrupt whose line is still high becomes pending again."""
        if number in self.active:
            self.active.remove(number)
        if number in self.lines:
            self.pending.add(number)

    def reset(self) -> None:
        """As after a processor reset; the lines belong to the peripherals."""
        self.priorities.clear()
        self.enabled.clear()
        self.pending.clear()
        self.active.clear()
        self.group_bits = 0
