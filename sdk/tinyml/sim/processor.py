"""The processor in time: runs code up to the next event, takes exceptions, sleeps, and says when it cannot go on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from tinyml.sim import stacking
from tinyml.sim.blocks import BlockDescriber
from tinyml.sim.cpu import Core, Stop
from tinyml.sim.events import NEVER, EventQueue
from tinyml.sim.exceptions import BUS_FAULT, HARD_FAULT, SVCALL, USAGE_FAULT, ExceptionState, Masks
from tinyml.sim.faults import BusError
from tinyml.sim.hook import HookState, StopReason
from tinyml.sim.peripherals.system import Scb, SysTick
from tinyml.sim.timing import EXCEPTION_ENTRY_CYCLES, EXCEPTION_RETURN_CYCLES, TAIL_CHAIN_CYCLES, Disassembler

POLLS_BEFORE_SKIP = 32
_SLEEPONEXIT, _SEVONPEND = 2, 16
_STKERR, _BFARVALID, _UNALIGNED, _INVPC, _PRECISERR = 1 << 12, 1 << 15, 1 << 24, 1 << 18, 1 << 9
_IBUSERR, _UNDEFINSTR, _INVSTATE = 1 << 8, 1 << 16, 1 << 17
_HFSR_VECTTBL, _HFSR_FORCED, _HFSR_DEBUGEVT = 1 << 1, 1 << 30, 1 << 31
_ENABLE_BIT = {BUS_FAULT: 17, USAGE_FAULT: 18}  # in SHCSR


class Halt(Enum):
    """Why a run came to its end."""

    DEADLINE = "virtual time is up"
    BREAKPOINT = "a breakpoint was reached"
    BKPT = "a breakpoint instruction was executed"
    FAULT = "the firmware did what silicon does not allow"
    HANG = "the firmware waits for what cannot happen"
    RESET = "the firmware asked for a reset"


@dataclass(frozen=True)
class Trouble:
    """Something the firmware did wrong. `pc` is the instruction; `registers_at` is where the core's registers stand."""

    kind: str
    message: str
    pc: int
    registers_at: int


@dataclass(frozen=True)
class _Layer:
    """A layer that an exception interrupted."""

    number: int
    return_address: int
    begin: int
    excluded: int
    since: int


class Processor:
    """Runs the core. `on_trouble` hears of every fault before its handler runs."""

    def __init__(self, core: Core, hook: HookState, exceptions: ExceptionState, queue: EventQueue) -> None:
        self.core = core
        self.hook = hook
        self.exceptions = exceptions
        self.queue = queue
        self.scb: Scb
        self.systick: SysTick
        self.describer: BlockDescriber
        self.next_change: Callable[[int], int | None] = lambda address: None
        self.register_name: Callable[[int], str] = hex
        self.on_trouble: Callable[[Trouble], None] = lambda trouble: None
        self.debugger_attached = False
        self.hang_cycles = NEVER
        self.breakpoints: frozenset[int] = frozenset()
        self.sleep_cycles = 0
        self.exception_cycles = 0
        self.skipped_cycles: dict[int, int] = {}  # by the address of the polling block
        self._disassembler = Disassembler()
        self.reset_state()

    def reset_state(self) -> None:
        """As after a reset; counters go on."""
        self.sleeping: Stop | None = None
        self.halted: Halt | None = None
        self._poll = (0, 0)
        self._polls = 0
        self._polled: int | None = None
        self._progress = self.now
        self._layers: list[_Layer] = []
        state = self.hook.state
        state.layer, state.layer_return, state.event = 0, 1, 0
        state.previous = None

    @property
    def now(self) -> int:
        """Virtual time in cycles, sleep included."""
        return self.hook.state.cycles

    @property
    def active_cycles(self) -> int:
        """Cycles that the processor was awake."""
        return self.now - self.sleep_cycles

    def break_block(self) -> None:
        """Look at events and exceptions again before the next block."""
        self.hook.state.deadline = 0

    def halt(self, reason: Halt) -> None:
        """End the run before the next block; the first reason stands."""
        self.halted = self.halted or reason
        self.break_block()

    def report(self, kind: str, message: str, pc: int, registers_at: int | None = None) -> None:
        """Tell the listener what went wrong at `pc`."""
        self.on_trouble(Trouble(kind, message, pc, self.core["pc"] if registers_at is None else registers_at))

    # Told by the bus

    def note_read(self, address: int, value: int) -> None:
        """A register was read: many equal reads in a row are a busy poll."""
        if (address, value) != self._poll:
            self._poll, self._polls = (address, value), 0
        self._polls += 1
        if self._polls >= POLLS_BEFORE_SKIP:
            self._polled = address
            self.break_block()

    def note_write(self) -> None:
        """A register was written; from thread mode that is progress."""
        self._polls = 0
        if not self.exceptions.active:
            self._progress = self.now

    # The run loop

    def run(self, until: int) -> Halt:
        """Run to cycle `until`, or to what ends the run before."""
        self.halted = None
        skip_breakpoint = self.core["pc"] in self.breakpoints
        while True:
            self._run_due()
            if self.halted is not None:
                return self.halted
            if self.now >= until:
                return Halt.DEADLINE
            if self.sleeping is not None and not self._wake(until):
                continue
            self._take_exception()
            if self.halted is not None:
                continue
            if skip_breakpoint:
                skip_breakpoint = False
                self._step_over()
                continue
            self._run_slice(until)

    def step(self) -> None:
        """Execute one instruction; no exception is taken."""
        self._run_due()
        self._step_over()

    def _step_over(self) -> None:
        self.core.set_breakpoints(())
        self.hook.state.deadline = NEVER
        self._handle(self.core.run(instructions=1))
        self.core.set_breakpoints(self.breakpoints)

    def _run_due(self) -> None:
        try:
            self.queue.run_due(self.now)
        except BusError as error:
            self._stop_for(error.kind, error.message, self.core["pc"])
        expiry = self.systick.next_active_cycle
        while expiry is not None and expiry <= self.active_cycles:
            self.systick.expire()
            expiry = self.systick.next_active_cycle

    def _masks(self) -> Masks:
        return Masks(self.core["primask"], self.core["faultmask"], self.core["basepri"])

    def _next_cycle(self, until: int) -> int:
        cycle = min(until, self.queue.next_cycle)
        expiry = self.systick.next_active_cycle
        if expiry is not None:
            cycle = min(cycle, self.now + expiry - self.active_cycles)
        return cycle

    def _run_slice(self, until: int) -> None:
        state = self.hook.state
        limit = self._progress + self.hang_cycles
        if self.now >= limit:
            seconds = "for a long time" if limit == NEVER else f"for {self.hang_cycles:,} cycles"
            self._hang(f"it neither slept nor wrote to a peripheral {seconds}")
            return
        state.deadline = min(self._next_cycle(until), limit)
        state.watch_mask = self.exceptions.anything_ready
        if state.watch_mask:
            state.primask, state.basepri = self.core["primask"], self.core["basepri"]
        self._handle(self.core.run())
        if self._polled is not None:
            polled, self._polled = self._polled, None
            self._skip(until, self.next_change(polled), f"it polls the register at 0x{polled:08x}")

    def _hang(self, message: str) -> None:
        self.report("hang", message, self.core["pc"])
        self.halt(Halt.HANG)

    def _skip(self, until: int, change: int | None, what: str) -> None:
        """The processor spins until something changes: let time pass up to there."""
        self._polls = 0
        if self.exceptions.anything_ready:
            return
        target = min(self._next_cycle(NEVER), NEVER if change is None else change)
        if target == NEVER:
            self._hang(f"{what}, which nothing will change")
            return
        passed = min(target, until, self._progress + self.hang_cycles) - self.now
        if passed > 0:
            self.hook.state.cycles += passed
            pc = self.core["pc"]
            self.skipped_cycles[pc] = self.skipped_cycles.get(pc, 0) + passed

    def _wake(self, until: int) -> bool:
        """Whether sleep is over; else let time pass to the next event."""
        self._progress = self.now
        if self.sleeping is Stop.WFE and self.hook.state.event:
            self.hook.state.event = 0
            self.sleeping = None
        elif self.exceptions.wakes(self._masks()) or self._woken_by_pending():
            self.sleeping = None
        if self.sleeping is None:
            return True
        target = min(until, self.queue.next_cycle)
        if target == NEVER:
            self._hang("it sleeps and nothing will wake it")
            return False
        self.sleep_cycles += target - self.now
        self.hook.state.cycles = target
        return False

    def _woken_by_pending(self) -> bool:
        """WFE with SEVONPEND wakes for any pending interrupt, enabled or not."""
        return self.sleeping is Stop.WFE and bool(self.scb["SCR"] & _SEVONPEND) and bool(self.exceptions.pending)

    # What the core stopped for

    def _handle(self, stop: Stop) -> None:
        pc = self.core["pc"]
        if stop is Stop.HOOK:
            self._handle_hook(pc)
        elif stop in (Stop.WFI, Stop.WFE):
            self._sleep(stop, pc)
        elif stop is Stop.EXCEPTION_RETURN:
            self._return(pc)
        elif stop is Stop.SVC:
            self.exceptions.pending.add(SVCALL)
            if self.exceptions.next(self._masks()) != SVCALL:
                self.exceptions.pending.discard(SVCALL)
                self._fault("usage fault", "SVC where its handler may not run", pc, HARD_FAULT, 0)
        elif stop is Stop.BREAKPOINT:
            self.halt(Halt.BREAKPOINT)
        elif stop is Stop.BKPT:
            self._breakpoint_instruction(pc)
        else:
            self._handle_fault(stop, pc)

    def _breakpoint_instruction(self, pc: int) -> None:
        if self.debugger_attached:
            self.halt(Halt.BKPT)
            return
        self.scb["HFSR"] |= _HFSR_DEBUGEVT
        self._fault("breakpoint", "BKPT without a debugger", pc, HARD_FAULT, 0)

    def _sleep(self, stop: Stop, pc: int) -> None:
        if stop is Stop.WFE:
            self.core.jump(pc)
            if self.hook.state.event:
                self.hook.state.event = 0
                return
        self.hook.state.previous = None
        self.sleeping = stop
        self._polls = 0

    def _handle_hook(self, pc: int) -> None:
        reason = StopReason(self.hook.state.reason)
        if reason is StopReason.TRANSLATE:
            for check in self.describer.new_watches:
                self.core.watch(check)
            self.describer.new_watches.clear()
            self.core.flush()
        elif reason is StopReason.SPINNING:
            self._skip(NEVER, None, "it loops in place")
        elif reason is StopReason.FULL:
            self._stop_for("emulator", "more different blocks of code than the virtual board can count", pc)
        elif reason is StopReason.STACK_OVERRUN:
            failed = self.hook.state.failed.contents.address
            self.report("stack overrun", "the stack grows below its limit", failed)
            # Silicon notices only where memory ends; what happens until then is up to the firmware.
            self.hook.state.stack_limit = 0
        elif reason is StopReason.MISALIGNED:
            self._misaligned(pc)

    def _misaligned(self, pc: int) -> None:
        check = self.hook.state.failed.contents
        address = check.address
        ahead = len(self._disassembler.block(self.core.read(pc, max(0, address - pc)), pc))
        if ahead:
            self.core.run_uncounted(ahead)
        base = "an LDM, STM, LDRD, STRD, VLDR, VSTR, LDREX or STREX needs a word-aligned address"
        # Inside an IT block the core stops only behind it; elsewhere it now stands at the instruction.
        self._fault("usage fault", f"unaligned access: {base}", address, USAGE_FAULT, _UNALIGNED)

    def _handle_fault(self, stop: Stop, pc: int) -> None:
        address = self.core.fault_address
        if stop in (Stop.BAD_READ, Stop.BAD_WRITE):
            verb = "read from" if stop is Stop.BAD_READ else "write to"
            if 0x40000000 <= address < 0x60000000 or address >= 0xE0000000:
                self._stop_for("unmodelled register", f"{verb} {self.register_name(address)}", pc)
                return
            self.scb["BFAR"] = address
            self._fault("bus error", f"{verb} 0x{address:08x}", pc, BUS_FAULT, _PRECISERR | _BFARVALID)
            return
        kind, message, exception, bit = {
            Stop.BAD_FETCH: ("bus error", f"jump to 0x{pc:08x}, where no code is", BUS_FAULT, _IBUSERR),
            Stop.BAD_STATE: ("usage fault", f"jump to 0x{pc:08x} without the Thumb bit", USAGE_FAULT, _INVSTATE),
            Stop.BAD_INSTRUCTION: ("usage fault", "undefined instruction", USAGE_FAULT, _UNDEFINSTR),
        }[stop]
        origin = self._jump_to(stop, pc)
        self._fault(kind, message, origin, exception, bit, registers_at=origin)

    def _jump_to(self, stop: Stop, pc: int) -> int:
        """The branch that led to a bad address; `pc` where it is not known or not asked for."""
        origin = {Stop.BAD_FETCH: self.hook.state.previous, Stop.BAD_STATE: self.hook.state.before}.get(stop)
        return origin.contents.address + origin.contents.size - 2 if origin else pc

    def _stop_for(self, kind: str, message: str, pc: int) -> None:
        """End the run: no handler of the firmware can answer this."""
        if self.halted is None:
            self.report(kind, message, pc)
        self.halt(Halt.FAULT)

    def access_failed(self, error: BusError, pc: int) -> None:
        """A register access that the hardware does not answer."""
        self._stop_for(error.kind, error.message, pc)

    def _fault(
        self, kind: str, message: str, pc: int, exception: int, cfsr: int, registers_at: int | None = None
    ) -> None:
        """Report a fault and let the firmware's handler run."""
        self.report(kind, message, pc, registers_at)
        self.scb["CFSR"] |= cfsr
        level = self.exceptions.execution_priority(self._masks())
        if level <= -1:
            self.report("lockup", f"{message}, in a fault handler", pc)
            self.halt(Halt.FAULT)
            return
        enabled = exception in _ENABLE_BIT and self.scb["SHCSR"] >> _ENABLE_BIT[exception] & 1
        if exception != HARD_FAULT and not (enabled and self.exceptions.priority(exception) < level):
            self.scb["HFSR"] |= _HFSR_FORCED
            exception = HARD_FAULT
        self.exceptions.pending.add(exception)
        self._enter(exception, pc)

    # Exceptions

    def _take_exception(self) -> None:
        if self.exceptions.pending:
            number = self.exceptions.next(self._masks())
            if number is not None:
                self._enter(number, self.core["pc"])

    def _handler_address(self, number: int) -> int | None:
        try:
            vector = int.from_bytes(self.core.read(self.scb["VTOR"] + 4 * number, 4), "little")
        except ValueError:
            vector = 0
        return vector if vector & 1 else None

    def _charge(self, cycles: int) -> None:
        self.hook.state.cycles += cycles
        self.exception_cycles += cycles
        self.hook.state.previous = None
        self.hook.state.event = 1  # entry and return of exceptions set the event register

    def _enter(self, number: int, return_address: int) -> None:
        handler = self._handler_address(number)
        if handler is None:
            self._stop_for("bus error", f"the vector of exception {number} is no code address", return_address)
            return
        self._suspend_layer()
        self._charge(EXCEPTION_ENTRY_CYCLES)
        before = self.exceptions.active[-1] if self.exceptions.active else 0
        entry = stacking.enter(self.core, number, return_address, handler, before)
        self.exceptions.begin(number)
        state = self.hook.state
        if entry.on_main_stack and entry.frame < state.stack_limit <= entry.before <= state.stack_top:
            self.report("stack overrun", "no room on the stack for an exception", return_address)
            state.stack_limit = 0
        if not entry.written:
            self.scb["CFSR"] |= _STKERR

    def _suspend_layer(self) -> None:
        state = self.hook.state
        self._layers.append(
            _Layer(state.layer, state.layer_return, state.layer_begin, state.layer_excluded, self.now)
        )
        state.layer, state.layer_return = 0, 1

    def _resume_layer(self) -> None:
        if not self._layers:
            return
        layer, state = self._layers.pop(), self.hook.state
        state.layer, state.layer_return, state.layer_begin = layer.number, layer.return_address, layer.begin
        state.layer_excluded = layer.excluded + self.now - layer.since

    def _return(self, exc_return: int) -> None:
        if not self.exceptions.active:
            message = f"jump to 0x{exc_return:08x} outside of a handler"
            self._fault("usage fault", message, exc_return, USAGE_FAULT, _INVPC)
            return
        number = self.exceptions.active[-1]
        self.exceptions.end(number)
        if number != 2:
            self.core["faultmask"] = 0
        following = self.exceptions.next(self._masks())
        if following is not None and self._handler_address(following) is not None:
            # Tail-chaining: the frame of the interrupted code stays where it is.
            self._charge(TAIL_CHAIN_CYCLES)
            self.exceptions.begin(following)
            self.core["ipsr"] = following
            self.core["lr"] = exc_return | 1
            self.core.jump(self._handler_address(following) or 0)
            return
        continued = stacking.leave(self.core, exc_return | 1)
        if continued is None:
            message = f"return to the impossible state 0x{exc_return | 1:08x}"
            self._fault("usage fault", message, exc_return, USAGE_FAULT, _INVPC)
            return
        self._charge(EXCEPTION_RETURN_CYCLES)
        self._resume_layer()
        if not self.exceptions.active and self.scb["SCR"] & _SLEEPONEXIT:
            self.sleeping = Stop.WFI
