"""The processor in time: runs code up to the next event, takes exceptions, sleeps, and says when it cannot go on."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from tinyml.sim import stacking
from tinyml.sim.blocks import BlockDescriber
from tinyml.sim.busy_poll import BusyPoll
from tinyml.sim.cpu import Core, Stop
from tinyml.sim.events import NEVER, EventQueue
from tinyml.sim.exceptions import HARD_FAULT, NMI, SVCALL, USAGE_FAULT, ExceptionState, Masks
from tinyml.sim.fault_unit import INVPC, STKERR, FaultUnit, Trouble
from tinyml.sim.faults import BusError
from tinyml.sim.hook import HookState, StopReason
from tinyml.sim.layer_clock import LayerClock
from tinyml.sim.peripherals.system import Scb, SysTick
from tinyml.sim.timing import EXCEPTION_ENTRY_CYCLES, EXCEPTION_RETURN_CYCLES, TAIL_CHAIN_CYCLES

__all__ = ["Halt", "Processor", "Trouble"]

_SLEEPONEXIT, _SEVONPEND = 2, 16


class Halt(Enum):
    """Why a run came to its end."""

    DEADLINE = "virtual time is up"
    BREAKPOINT = "a breakpoint was reached"
    BKPT = "a breakpoint instruction was executed"
    FAULT = "the firmware did what silicon does not allow"
    HANG = "the firmware waits for what cannot happen"
    RESET = "the firmware asked for a reset"


class Processor:
    """Runs the core; `faults.on_trouble` hears of every fault before its handler runs."""

    def __init__(self, core: Core, hook: HookState, exceptions: ExceptionState, queue: EventQueue) -> None:
        self.core = core
        self.hook = hook
        self.exceptions = exceptions
        self.queue = queue
        self.faults = FaultUnit(core, exceptions, self._enter, lambda: self.halt(Halt.FAULT))
        self.faults.masks = self._masks
        self.systick: SysTick
        self.describer: BlockDescriber
        self.next_change: Callable[[int], int | None] = lambda address: None
        self.debugger_attached = False
        self.hang_cycles = NEVER
        self.breakpoints: frozenset[int] = frozenset()
        self.sleep_cycles = 0
        self.exception_cycles = 0
        self.skipped_cycles: dict[int, int] = {}  # by the address of the polling block
        self._layers = LayerClock(hook.state)
        self._poll = BusyPoll()
        self.reset_state()

    def reset_state(self) -> None:
        """As after a reset; counters go on."""
        self.sleeping: Stop | None = None
        self.halted: Halt | None = None
        self._progress = self.now
        self._poll.restart()
        self._layers.reset()
        self.hook.state.event = 0
        self.hook.state.previous = None

    @property
    def _scb(self) -> Scb:
        return self.faults.scb

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

    # Told by the bus

    def note_read(self, address: int, value: int) -> None:
        """A register was read."""
        if self._poll.note_read(address, value):
            self.break_block()

    def note_write(self) -> None:
        """A register was written; from thread mode that is progress."""
        self._poll.restart()
        if not self.exceptions.active:
            self._progress = self.now

    def access_failed(self, error: BusError, pc: int) -> None:
        """A register access that the hardware does not answer."""
        if self.halted is None:
            self.faults.stop_for(error.kind, error.message, pc)

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
            self.access_failed(error, self.core["pc"])
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
            self._hang(f"it neither slept nor wrote to a peripheral for {self.hang_cycles:,} cycles")
            return
        state.deadline = min(self._next_cycle(until), limit, NEVER)
        state.watch_mask = self.exceptions.anything_ready
        if state.watch_mask:
            state.primask, state.basepri = self.core["primask"], self.core["basepri"]
        self._handle(self.core.run())
        polled = self._poll.take()
        if polled is not None and self.halted is None:
            self._skip(until, self.next_change(polled), f"it polls the register at 0x{polled:08x}")

    def _hang(self, message: str) -> None:
        self.faults.report("hang", message, self.core["pc"])
        self.halt(Halt.HANG)

    def _skip(self, until: int, change: int | None, what: str) -> None:
        """The processor spins until something changes: let time pass up to there."""
        self._poll.restart()
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

    # Sleep

    def _sleep(self, stop: Stop) -> None:
        self.hook.state.previous = None
        if stop is Stop.WFE and self.hook.state.event:
            self.hook.state.event = 0
            return
        self.sleeping = stop
        self._poll.restart()

    def _wake(self, until: int) -> bool:
        """Whether sleep is over; else let time pass to the next event."""
        self._progress = self.now
        if self.sleeping is Stop.WFE and self.hook.state.event:
            self.hook.state.event = 0
            self.sleeping = None
        elif self.exceptions.pending and (self.exceptions.wakes(self._masks()) or self._woken_by_pending()):
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
        return self.sleeping is Stop.WFE and bool(self._scb["SCR"] & _SEVONPEND)

    # What the core stopped for

    def _handle(self, stop: Stop) -> None:
        pc = self.core["pc"]
        if stop is Stop.HOOK:
            self._handle_hook(pc)
        elif stop in (Stop.WFI, Stop.WFE):
            self._sleep(stop)
        elif stop is Stop.EXCEPTION_RETURN:
            self._return(pc)
        elif stop is Stop.SVC:
            self._supervisor_call(pc)
        elif stop is Stop.BREAKPOINT:
            self.halt(Halt.BREAKPOINT)
        elif stop is Stop.BKPT and self.debugger_attached:
            self.halt(Halt.BKPT)
        elif stop is Stop.BKPT:
            self.faults.breakpoint_instruction(pc)
        elif stop in (Stop.BAD_READ, Stop.BAD_WRITE):
            self.faults.bad_access(stop, pc)
        else:
            self.faults.bad_code(stop, pc, self._origin(stop, pc))

    def _handle_hook(self, pc: int) -> None:
        reason = StopReason(self.hook.state.reason)
        if reason is StopReason.TRANSLATE:
            for check in self.describer.take_watches():
                self.core.watch(check)
            self.core.flush()
        elif reason is StopReason.NO_FPU:
            self.faults.no_fpu(pc)
        elif reason is StopReason.SPINNING:
            self._skip(NEVER, None, "it loops in place")
        elif reason is StopReason.FULL:
            self.faults.stop_for("emulator", "more different blocks of code than the virtual board can count", pc)
        elif reason is StopReason.STACK_OVERRUN:
            failed = self.hook.state.failed.contents.address
            self.faults.report("stack overrun", "the stack grows below its limit", failed)
            # Silicon notices only where memory ends; what happens until then is up to the firmware.
            self.hook.state.stack_limit = 0
        elif reason is StopReason.MISALIGNED:
            self.faults.misaligned(self.hook.state.failed.contents.address)

    def _origin(self, stop: Stop, pc: int) -> int:
        """The branch that led to a bad address; `pc` where it is not known."""
        block = {Stop.BAD_FETCH: self.hook.state.previous, Stop.BAD_STATE: self.hook.state.before}.get(stop)
        return block.contents.address + block.contents.size - 2 if block else pc

    def _supervisor_call(self, pc: int) -> None:
        self.exceptions.pending.add(SVCALL)
        if self.exceptions.next(self._masks()) == SVCALL:
            self._enter(SVCALL, pc)
        elif self.exceptions.priority(SVCALL) >= self.exceptions.execution_priority(self._masks()):
            self.exceptions.pending.discard(SVCALL)
            self.faults.take("usage fault", "SVC where its handler may not run", pc, HARD_FAULT, 0)

    # Exceptions

    def _take_exception(self) -> None:
        if self.exceptions.pending:
            number = self.exceptions.next(self._masks())
            if number is not None:
                self._enter(number, self.core["pc"])

    def _handler_address(self, number: int) -> int | None:
        try:
            vector = int.from_bytes(self.core.read(self._scb["VTOR"] + 4 * number, 4), "little")
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
            message = f"the vector of exception {number} is no code address"
            self.faults.stop_for("bus error", message, return_address)
            return
        self._layers.suspend()
        self._charge(EXCEPTION_ENTRY_CYCLES)
        before = self.exceptions.active[-1] if self.exceptions.active else 0
        entry = stacking.enter(self.core, number, return_address, handler, before)
        self.exceptions.begin(number)
        state = self.hook.state
        if entry.on_main_stack and entry.frame < state.stack_limit <= entry.before <= state.stack_top:
            self.faults.report("stack overrun", "no room on the stack for an exception", return_address, return_address)
            state.stack_limit = 0
        if not entry.written:
            self._scb["CFSR"] |= STKERR

    def _return(self, exc_return: int) -> None:
        """A branch to EXC_RETURN: the next handler at once (tail-chaining), or the interrupted code."""
        exc_return |= 1
        if not self.exceptions.active:
            message = f"jump to 0x{exc_return:08x} outside of a handler"
            self.faults.take("usage fault", message, exc_return, USAGE_FAULT, INVPC)
            return
        number = self.exceptions.active[-1]
        self.exceptions.end(number)
        if number != NMI:
            self.core["faultmask"] = 0
        following = self.exceptions.next(self._masks())
        handler = None if following is None else self._handler_address(following)
        if following is not None and handler is not None:
            self._charge(TAIL_CHAIN_CYCLES)
            self.exceptions.begin(following)
            self.core["ipsr"] = following
            self.core["lr"] = exc_return
            self.core.jump(handler)
            return
        if stacking.leave(self.core, exc_return) is None:
            message = f"return to the impossible state 0x{exc_return:08x}"
            self.faults.take("usage fault", message, exc_return, USAGE_FAULT, INVPC)
            return
        self._charge(EXCEPTION_RETURN_CYCLES)
        self._layers.resume()
        if not self.exceptions.active and self._scb["SCR"] & _SLEEPONEXIT:
            self.sleeping = Stop.WFI
