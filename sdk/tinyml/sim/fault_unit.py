"""From what the core stopped for to the fault that is reported, and to the exception the firmware's handler sees.

Source: Armv7-M Architecture Reference Manual (DDI 0403E), B1.5.14 (fault behaviour), B3.2.15 and B3.2.16 (CFSR, HFSR).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tinyml.sim.cpu import Core, Stop
from tinyml.sim.disassembler import Disassembler
from tinyml.sim.exceptions import BUS_FAULT, HARD_FAULT, USAGE_FAULT, ExceptionState, Masks
from tinyml.sim.peripherals.system import Scb

STKERR, IBUSERR, PRECISERR, BFARVALID = 1 << 12, 1 << 8, 1 << 9, 1 << 15
UNDEFINSTR, INVSTATE, INVPC, NOCP, UNALIGNED = 1 << 16, 1 << 17, 1 << 18, 1 << 19, 1 << 24
_HFSR_FORCED, _HFSR_DEBUGEVT = 1 << 30, 1 << 31
_ENABLE_BIT = {BUS_FAULT: 17, USAGE_FAULT: 18}  # in SHCSR


@dataclass(frozen=True)
class Trouble:
    """Something the firmware did wrong. `pc` is the instruction; `registers_at` is where the core's registers stand."""

    kind: str
    message: str
    pc: int
    registers_at: int


class FaultUnit:
    """Reports faults. `enter(exception, pc)` starts a handler, `stop()` ends the run."""

    def __init__(
        self, core: Core, exceptions: ExceptionState, enter: Callable[[int, int], None], stop: Callable[[], None]
    ) -> None:
        self._core = core
        self._exceptions = exceptions
        self._enter = enter
        self._stop = stop
        self._disassembler = Disassembler()
        self.scb: Scb
        self.masks: Callable[[], Masks] = Masks
        self.on_trouble: Callable[[Trouble], None] = lambda trouble: None
        self.register_name: Callable[[int], str] = hex

    def report(self, kind: str, message: str, pc: int, registers_at: int | None = None) -> None:
        """Tell the listener what went wrong at `pc`."""
        self.on_trouble(Trouble(kind, message, pc, self._core["pc"] if registers_at is None else registers_at))

    def stop_for(self, kind: str, message: str, pc: int) -> None:
        """Report what no handler of the firmware can answer, and end the run."""
        self.report(kind, message, pc)
        self._stop()

    def take(
        self, kind: str, message: str, pc: int, exception: int, cfsr: int, registers_at: int | None = None
    ) -> None:
        """Report a fault and let the firmware's handler run, or the HardFault's where that may not."""
        self.report(kind, message, pc, registers_at)
        self.scb["CFSR"] |= cfsr
        level = self._exceptions.execution_priority(self.masks())
        if level <= -1:
            self.stop_for("lockup", f"{message}, in a fault handler", pc)
            return
        enabled = exception in _ENABLE_BIT and self.scb["SHCSR"] >> _ENABLE_BIT[exception] & 1
        if exception != HARD_FAULT and not (enabled and self._exceptions.priority(exception) < level):
            self.scb["HFSR"] |= _HFSR_FORCED
            exception = HARD_FAULT
        self._enter(exception, pc)

    def breakpoint_instruction(self, pc: int) -> None:
        """BKPT without a debugger is a HardFault."""
        self.scb["HFSR"] |= _HFSR_DEBUGEVT
        self.take("breakpoint", "BKPT without a debugger", pc, HARD_FAULT, 0)

    def bad_access(self, stop: Stop, pc: int) -> None:
        """A load or store where nothing answers."""
        address = self._core.fault_address
        verb = "read from" if stop is Stop.BAD_READ else "write to"
        if 0x40000000 <= address < 0x60000000 or address >= 0xE0000000:
            self.stop_for("unmodelled register", f"{verb} {self.register_name(address)}", pc)
            return
        self.scb["BFAR"] = address
        self.take("bus error", f"{verb} 0x{address:08x}", pc, BUS_FAULT, PRECISERR | BFARVALID)

    def bad_code(self, stop: Stop, pc: int, origin: int) -> None:
        """Something that cannot be executed at `pc`; `origin` is the branch that led there."""
        if stop is Stop.BAD_INSTRUCTION:
            self.take("usage fault", "undefined instruction", pc, USAGE_FAULT, UNDEFINSTR)
        elif stop is Stop.BAD_FETCH:
            self.take("bus error", f"jump to 0x{pc:08x}, where no code is", origin, BUS_FAULT, IBUSERR, origin)
        else:
            message = f"jump to 0x{pc:08x} without the Thumb bit"
            self.take("usage fault", message, origin, USAGE_FAULT, INVSTATE, origin)

    def misaligned(self, address: int) -> None:
        """The access at `address` needs alignment; the core stands before it in its block, or behind it after an IT."""
        pc = self._core["pc"]
        ahead = len(self._disassembler.block(self._core.read(pc, max(0, address - pc)), pc))
        if ahead:
            self._core.run_uncounted(ahead)
        what = "an LDM, STM, LDRD, STRD, VLDR, VSTR, LDREX or STREX needs a word-aligned address"
        self.take("usage fault", f"unaligned access: {what}", address, USAGE_FAULT, UNALIGNED)

    def no_fpu(self, pc: int) -> None:
        """Floating point before CPACR allows it."""
        message = "floating-point instruction while CPACR keeps the FPU off"
        self.take("usage fault", message, pc, USAGE_FAULT, NOCP)
