"""The processor's own peripherals: NVIC, system control block, debug and trace control.

No SVD of the vendor describes these registers: their manual is the Armv7-M Architecture Reference Manual
(DDI 0403E), sections B3.2 (SCB), B3.4 (NVIC), C1.6 (debug) and C1.8 (DWT). Values of the core itself (CPUID, ICTR):
Cortex-M4 Technical Reference Manual (DDI 0439), section 4.3.
"""

from __future__ import annotations

from collections.abc import Callable

from tinyml.sim.exceptions import FIRST_IRQ, IRQ_COUNT, NMI, PENDSV, PRIORITY_BITS, SYSTICK, ExceptionState
from tinyml.sim.faults import BusError
from tinyml.sim.peripherals.peripheral import Machine, Peripheral, Register, array

MANUAL = "DDI 0403E"
_WORDS = (IRQ_COUNT + 31) // 32


class Nvic(Peripheral):
    """Enables, pending bits and priorities of the interrupts."""

    name, base, bytewise = "NVIC", 0xE000E000, ("IPR",)
    registers = (
        *array("ISER", 0x100, _WORDS), *array("ICER", 0x180, _WORDS), *array("ISPR", 0x200, _WORDS),
        *array("ICPR", 0x280, _WORDS), *array("IABR", 0x300, _WORDS, access="r"), *array("IPR", 0x400, IRQ_COUNT // 4),
        Register("STIR", 0xF00, access="w"),
    )  # fmt: skip

    def __init__(self, machine: Machine, exceptions: ExceptionState) -> None:
        self._exceptions = exceptions
        super().__init__(machine)

    def read(self, offset: int) -> int:
        exceptions = self._exceptions
        if 0x400 <= offset < 0xF00:
            first = FIRST_IRQ + offset - 0x400
            return sum(exceptions.priorities.get(first + i, 0) << 8 * i for i in range(4))
        group, word = offset & 0x780, (offset & 0x7F) // 4
        numbers: object = {0x100: exceptions.enabled, 0x180: exceptions.enabled, 0x200: exceptions.pending,
                           0x280: exceptions.pending, 0x300: exceptions.active}.get(group, ())  # fmt: skip
        return sum(1 << i for i in range(32) if FIRST_IRQ + 32 * word + i in numbers)  # type: ignore[operator]

    def write(self, offset: int, value: int) -> None:
        exceptions = self._exceptions
        if offset == 0xF00:
            exceptions.pending.add(FIRST_IRQ + (value & 0x1FF))
        elif offset >= 0x400:
            for i in range(4):
                exceptions.priorities[FIRST_IRQ + offset - 0x400 + i] = value >> 8 * i & PRIORITY_BITS
        else:
            first = FIRST_IRQ + (offset & 0x7F) // 4 * 32
            numbers = {first + i for i in range(32) if value >> i & 1}
            group = offset & 0x780
            if group == 0x100:
                exceptions.enabled |= numbers
            elif group == 0x180:
                exceptions.enabled -= numbers
            elif group == 0x200:
                exceptions.pending |= numbers
            else:
                exceptions.pending -= numbers - (exceptions.lines - set(exceptions.active))
        self.machine.break_block()


class Scb(Peripheral):
    """Vector table, sleep and fault registers, priorities of the system exceptions."""

    name, base, bytewise = "SCB", 0xE000E000, ("SHPR",)
    registers = (
        Register("ICTR", 0x004, 1, "r"), Register("ACTLR", 0x008), Register("CPUID", 0xD00, 0x410FC241, "r"),
        Register("ICSR", 0xD04), Register("VTOR", 0xD08), Register("AIRCR", 0xD0C), Register("SCR", 0xD10),
        Register("CCR", 0xD14, 0x200), *array("SHPR", 0xD18, 3), Register("SHCSR", 0xD24), Register("CFSR", 0xD28),
        Register("HFSR", 0xD2C), Register("DFSR", 0xD30), Register("MMFAR", 0xD34), Register("BFAR", 0xD38),
        Register("AFSR", 0xD3C), Register("CPACR", 0xD88), Register("FPCCR", 0xF34, 0xC0000000),
        Register("FPCAR", 0xF38), Register("FPDSCR", 0xF3C),
    )  # fmt: skip

    def __init__(self, machine: Machine, exceptions: ExceptionState, request_reset: Callable[[], None]) -> None:
        self._exceptions = exceptions
        self._request_reset = request_reset
        super().__init__(machine)

    def read_icsr(self) -> int:
        exceptions = self._exceptions
        active = exceptions.active[-1] if exceptions.active else 0
        waiting = min(exceptions.pending, default=0, key=lambda n: (exceptions.priority(n), n))
        value = active | waiting << 12 | (len(exceptions.active) <= 1) << 11
        value |= any(n >= FIRST_IRQ for n in exceptions.pending) << 22
        return value | (SYSTICK in exceptions.pending) << 26 | (PENDSV in exceptions.pending) << 28

    def write_icsr(self, value: int) -> None:
        pending = self._exceptions.pending
        for bit, number, sets in ((31, NMI, True), (28, PENDSV, True), (27, PENDSV, False), (26, SYSTICK, True),
                                  (25, SYSTICK, False)):  # fmt: skip
            if value >> bit & 1:
                (pending.add if sets else pending.discard)(number)
        self.machine.break_block()

    def read_aircr(self) -> int:
        return 0xFA050000 | self._exceptions.group_bits << 8

    def write_aircr(self, value: int) -> None:
        if value >> 16 != 0x05FA:
            return
        self._exceptions.group_bits = value >> 8 & 7
        if value & 4:
            self._request_reset()

    def write_vtor(self, value: int) -> None:
        self["VTOR"] = value & 0xFFFFFF80

    def write_ccr(self, value: int) -> None:
        if value & 0x18:
            raise BusError("unmodelled register", "SCB.CCR: traps of divisions by 0 and of all unaligned accesses")
        self["CCR"] = value

    def write_cfsr(self, value: int) -> None:
        self["CFSR"] = self["CFSR"] & ~value

    def write_hfsr(self, value: int) -> None:
        self["HFSR"] = self["HFSR"] & ~value

    def write(self, offset: int, value: int) -> None:
        if 0xD18 <= offset < 0xD24:
            for i in range(4):
                self._exceptions.priorities[4 + offset - 0xD18 + i] = value >> 8 * i & PRIORITY_BITS
        super().write(offset, value)


class Debug(Peripheral):
    """Debug control as the program sees it; without a debugger it reads 0."""

    name, base = "CoreDebug", 0xE000E000
    registers = (
        Register("DHCSR", 0xDF0), Register("DCRSR", 0xDF4), Register("DCRDR", 0xDF8), Register("DEMCR", 0xDFC),
    )  # fmt: skip


class Dwt(Peripheral):
    """The cycle counter; it stands still while the processor sleeps."""

    name, base = "DWT", 0xE0001000
    registers = (Register("CTRL", 0x000, 0x40000000), Register("CYCCNT", 0x004))

    def __init__(self, machine: Machine, debug: Debug, active_cycles: Callable[[], int]) -> None:
        self._debug = debug
        self._active_cycles = active_cycles
        super().__init__(machine)

    def reset(self) -> None:
        super().reset()
        self._origin: int | None = None  # active cycle at which the running counter was 0

    def write_ctrl(self, value: int) -> None:
        self["CYCCNT"] = self.read_cyccnt()
        self["CTRL"] = 0x40000000 | value & 1
        runs = value & 1 and self._debug["DEMCR"] >> 24 & 1
        self._origin = self._active_cycles() - self["CYCCNT"] if runs else None

    def read_cyccnt(self) -> int:
        return self["CYCCNT"] if self._origin is None else self._active_cycles() - self._origin

    def write_cyccnt(self, value: int) -> None:
        self["CYCCNT"] = value
        if self._origin is not None:
            self._origin = self._active_cycles() - value

    def next_change(self, offset: int) -> int | None:
        return self.machine.now + 1 if offset == 4 else None


class Fpb(Peripheral):
    """Flash patch and breakpoint unit, version 1: six breakpoints in code memory."""

    name, base = "FPB", 0xE0002000
    registers = (Register("CTRL", 0x000, 0x260), Register("REMAP", 0x004), *array("COMP", 0x008, 8))

    def __init__(self, machine: Machine, changed: Callable[[set[int]], None]) -> None:
        self._changed = changed
        super().__init__(machine)

    def write(self, offset: int, value: int) -> None:
        super().write(offset, value)
        if offset == 0:  # KEY must be written with ENABLE
            self["CTRL"] = 0x260 | (value & 1 if value & 2 else self["CTRL"] & 1)
        addresses = set()
        for comparator in (self[f"COMP[{i}]"] for i in range(6)):
            if self["CTRL"] & 1 and comparator & 1:
                word, halves = comparator & 0x1FFFFFFC, comparator >> 30
                addresses |= {word + 2 * i for i in range(2) if halves >> i & 1}
        self._changed(addresses)


class SysTick(Peripheral):
    """The 24-bit down-counter on the processor's clock; it stands still while the processor sleeps."""

    name, base = "SysTick", 0xE000E010
    registers = (
        Register("CTRL", 0x0), Register("LOAD", 0x4), Register("VAL", 0x8), Register("CALIB", 0xC, 0xC0000000, "r"),
    )  # fmt: skip

    def __init__(self, machine: Machine, exceptions: ExceptionState, active_cycles: Callable[[], int]) -> None:
        self._exceptions = exceptions
        self._active_cycles = active_cycles
        super().__init__(machine)

    def reset(self) -> None:
        super().reset()
        self._next: int | None = None  # active cycle of the next count to 0
        self._held = 0
        self._flag = False

    @property
    def next_active_cycle(self) -> int | None:
        """When the counter reaches 0, in cycles that the processor was awake; None while it is off."""
        return self._next

    def expire(self) -> None:
        """The counter has reached 0: set the flag, raise the exception, start again."""
        assert self._next is not None
        self._flag = True
        if self["CTRL"] & 2:
            self._exceptions.pending.add(SYSTICK)
        self._next = self._next + self["LOAD"] + 1 if self["LOAD"] else None

    def _current(self) -> int:
        if self._next is None:
            return self._held
        left = self._next - self._active_cycles()
        return left if 0 <= left <= self["LOAD"] else 0

    def read_ctrl(self) -> int:
        value = self["CTRL"] & 7 | self._flag << 16
        self._flag = False
        return value

    def write_ctrl(self, value: int) -> None:
        value |= 4  # the processor's clock is the only one (CALIB.NOREF)
        if value & 1 and not self["CTRL"] & 1:
            self._next = self._active_cycles() + (self._held or self["LOAD"] + 1) if self["LOAD"] else None
        elif not value & 1:
            self._held = self._current()
            self._next = None
        self["CTRL"] = value & 7
        self.machine.break_block()

    def write_load(self, value: int) -> None:
        self["LOAD"] = value & 0xFFFFFF

    def read_val(self) -> int:
        return self._current()

    def write_val(self, value: int) -> None:
        self._held, self._flag = 0, False
        if self["CTRL"] & 1:
            self._next = self._active_cycles() + self["LOAD"] + 1 if self["LOAD"] else None
        self.machine.break_block()

    def next_change(self, offset: int) -> int | None:
        return self.machine.now + 1 if offset == 8 else None
