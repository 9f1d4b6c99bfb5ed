"""A peripheral as a table of registers; what is not in the table is not there.

A subclass states `tasks`, `events` and `registers` by their names and offsets in the vendor's SVD and gives a
register behaviour by methods named after it: `task_start` for TASKS_START, `write_sample_ptr(value)` and
`read_counter()` for SAMPLE.PTR and COUNTER. Registers without a method hold what was written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Protocol

from tinyml.sim.events import Event
from tinyml.sim.faults import BusError
from tinyml.sim.trace import Trace


class Machine(Protocol):
    """What a peripheral may use of the board."""

    cpu_hz: int
    trace: Trace

    @property
    def now(self) -> int:
        """Virtual time in processor cycles, sleep included."""
        ...

    def at(self, cycle: int, action: Callable[[], None]) -> Event: ...
    def dma_read(self, master: str, address: int, size_bytes: int) -> bytes: ...
    def dma_write(self, master: str, address: int, data: bytes) -> None: ...
    def set_irq(self, number: int, level: bool) -> None: ...
    def break_block(self) -> None: ...


@dataclass(frozen=True)
class Register:
    """A register of a peripheral; `access` is "rw", "r" or "w"."""

    name: str
    offset: int
    reset: int = 0
    access: str = "rw"


def _method(prefix: str, name: str) -> str:
    return f"{prefix}_{re.sub(r'[^a-z0-9]+', '_', name.lower()).strip('_')}"


def array(name: str, offset: int, count: int, *, reset: int = 0, access: str = "rw") -> tuple[Register, ...]:
    """`count` registers NAME[0], NAME[1] ..."""
    return tuple(Register(f"{name}[{i}]", offset + 4 * i, reset, access) for i in range(count))


class Peripheral:
    """Base of the modelled peripherals; everything is 32 bits wide."""

    name: ClassVar[str]
    base: ClassVar[int]
    irq: ClassVar[int | None] = None
    tasks: ClassVar[Mapping[str, int]] = {}
    events: ClassVar[Mapping[str, int]] = {}
    registers: ClassVar[tuple[Register, ...]] = ()
    has_inten: ClassVar[bool] = False  # the combined INTEN beside INTENSET and INTENCLR
    survives_reset: ClassVar[bool] = False  # a reset of the processor does not change its registers
    bytewise: ClassVar[tuple[str, ...]] = ()  # prefixes of the registers that bytes of may be accessed

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.table = {r.offset: r for r in self.all_registers()}
        self._readers = self._methods("read")
        self._writers = self._methods("write")
        for name, offset in self.tasks.items():
            self._writers[offset] = self._task_writer(name)
        self._names = {r.name: r.offset for r in self.table.values()}
        self.reset()

    @classmethod
    def all_registers(cls) -> tuple[Register, ...]:
        """Tasks, events and interrupt enables made from the declarations, and the rest."""
        made = [Register(f"TASKS_{n}", o, 0, "w") for n, o in cls.tasks.items()]
        made += [Register(f"EVENTS_{n}", o) for n, o in cls.events.items()]
        if cls.events:
            made += [Register("INTENSET", 0x304), Register("INTENCLR", 0x308)]
        if cls.has_inten:
            made.append(Register("INTEN", 0x300))
        return (*made, *cls.registers)

    def reset(self) -> None:
        """Put every register to its reset value."""
        self.values = {offset: register.reset for offset, register in self.table.items()}
        self.inten = 0

    def _methods(self, prefix: str) -> dict[int, Callable]:
        found = ((o, getattr(self, _method(prefix, r.name), None)) for o, r in self.table.items())
        return {offset: method for offset, method in found if method is not None}

    def __getitem__(self, name: str) -> int:
        return self.values[self._names[name]]

    def __setitem__(self, name: str, value: int) -> None:
        self.values[self._names[name]] = value & 0xFFFFFFFF

    def _task_writer(self, name: str) -> Callable[[int], None]:
        run: Callable[[], None] = getattr(self, _method("task", name))

        def write(value: int) -> None:
            if value & 1:
                run()

        return write

    def read(self, offset: int) -> int:
        """The value the processor reads. Raises: BusError."""
        register = self.table[offset]
        reader = self._readers.get(offset)
        if reader is not None:
            return reader() & 0xFFFFFFFF
        return 0 if register.access == "w" else self.values[offset]

    def write(self, offset: int, value: int) -> None:
        """What the processor's write does. Raises: BusError."""
        register = self.table[offset]
        if register.access == "r":
            raise BusError("unmodelled register", f"write to the read-only register {self.name}.{register.name}")
        writer = self._writers.get(offset)
        if writer is not None:
            writer(value)
            return
        self.values[offset] = value
        if register.name.startswith("EVENTS_"):
            self.values[offset] = value & 1
            self.update_irq()

    def next_change(self, offset: int) -> int | None:
        """The cycle at which a register changes by itself; None when only events of the queue change it."""
        return None

    def raise_event(self, name: str) -> None:
        """Set an event and with it, when enabled, the interrupt."""
        self.values[self.events[name]] = 1
        self.update_irq()

    def update_irq(self) -> None:
        """Drive the interrupt line from events and enables."""
        if self.irq is None:
            return
        level = any(self.values[o] and self.inten >> ((o - 0x100) // 4) & 1 for o in self.events.values())
        self.machine.set_irq(self.irq, level)

    def write_intenset(self, value: int) -> None:
        self.inten |= value
        self.update_irq()

    def write_intenclr(self, value: int) -> None:
        self.inten &= ~value
        self.update_irq()

    def write_inten(self, value: int) -> None:
        self.inten = value
        self.update_irq()

    def read_intenset(self) -> int:
        return self.inten

    read_intenclr = read_intenset
    read_inten = read_intenset
