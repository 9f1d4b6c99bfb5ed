"""`VirtualBoard`: an nRF52840 with processor, memories and peripherals that runs a firmware image unmodified."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping

from tinyml.board import Board, Memory
from tinyml.errors import DeviceError, ProjectError, TinymlError
from tinyml.sim.blocks import Answer, BlockDescriber
from tinyml.sim.bus import Bus
from tinyml.sim.cpu import Core
from tinyml.sim.elf import Image
from tinyml.sim.events import Event, EventQueue
from tinyml.sim.exceptions import ExceptionState
from tinyml.sim.faults import BusError
from tinyml.sim.hook import Block, HookState
from tinyml.sim.locate import locate_access
from tinyml.sim.peripherals.clock import Clock, Power
from tinyml.sim.peripherals.gpio import Port0, Port1
from tinyml.sim.peripherals.nvmc import Ficr, Nvmc, Uicr
from tinyml.sim.peripherals.pdm import Pdm
from tinyml.sim.peripherals.peripheral import Peripheral
from tinyml.sim.peripherals.rtc import Rtc0, Rtc1, Rtc2
from tinyml.sim.peripherals.system import Debug, Dwt, Fpb, Nvic, Scb, SysTick
from tinyml.sim.peripherals.uarte import Uarte0
from tinyml.sim.peripherals.wdt import Wdt
from tinyml.sim.processor import Halt, Processor
from tinyml.sim.svd import name_of
from tinyml.sim.timing import REFILL_CYCLES
from tinyml.sim.trace import Trace

SUPPORTED_SOCS = ("nrf52840",)


def check_virtual(board: Board) -> None:
    """Raises: ProjectError where there is no virtual board for `board`."""
    if board.soc not in SUPPORTED_SOCS or board.cpu != "cortex-m4":
        raise ProjectError(
            f"there is no virtual board for `{board.name}` (soc `{board.soc}`, cpu `{board.cpu}`)",
            hint=f"virtual boards exist for: {', '.join(SUPPORTED_SOCS)}",
        )


class VirtualBoard:
    """A board in memory. Also the target of a debug probe.

    Life: construct, `program` the flash (or let a flash algorithm do it), `reset`, then `run(until_cycle)` or `step()`.
    Memory: `read(address, n)` and `write(address, data)` are a debugger's accesses: RAM and flash byte by byte (flash
    through the flash controller, so CONFIG must allow it and bits only go from 1 to 0), registers by whole words.
    `peek` and `poke` bypass every rule. Registers: `board["r0"]`, also sp lr pc xpsr msp psp control primask basepri
    faultmask ipsr fpscr s0..s31. Breakpoints: `board.breakpoints = {address, ...}`, or the FPB's registers; with
    `board.debugger_attached = True` a BKPT instruction halts (its address is the pc), else it is a fault.
    `now` counts cycles since construction; `on_trouble` hears of faults, `on_missed_buffer` of overwritten audio.
    """

    def __init__(self, board: Board, *, layers: Mapping[int, int] | None = None, counted: int | None = None) -> None:
        check_virtual(board)
        self.board = board
        self.cpu_hz = board.cpu_hz
        self.trace = Trace()
        self.exceptions = ExceptionState()
        self.queue = EventQueue()
        self.hook = HookState(REFILL_CYCLES)
        self.core = Core(self.hook, self._describe)
        self.processor = Processor(self.core, self.hook, self.exceptions, self.queue)
        self.processor.describer = BlockDescriber(self.hook, self.peek, layers or {}, counted, self._fpu_on)
        self.processor.next_change = self._next_change
        self.processor.faults.register_name = self._register_name
        self.on_missed_buffer: Callable[[int], None] = lambda samples: None
        self._breakpoints: frozenset[int] = frozenset()
        self._fpb_breakpoints: frozenset[int] = frozenset()
        self._debug_access = False
        self._map_memories()
        self._build_peripherals()

    def _map_memories(self) -> None:
        code = self.board.memory(self.board.regions["code"])
        self.flash_origin, self.flash_bytes = code.origin, code.length_bytes
        self._vectors = code.origin  # an image that a bootloader starts has its own higher up
        for memory in self.board.memories:
            self.core.map_memory(memory.origin, memory.length_bytes, writable=memory is not code)
        self.poke(self.flash_origin, b"\xff" * self.flash_bytes)

    def _build_peripherals(self) -> None:
        clock, uicr = Clock(self), Uicr(self)
        self.debug = Debug(self)
        self.scb = Scb(self, self.exceptions, self._request_reset)
        self.systick = SysTick(self, self.exceptions, lambda: self.processor.active_cycles)
        self.nvmc = uicr.nvmc = Nvmc(self, self, uicr)
        self.pdm = Pdm(self, lambda samples: self.on_missed_buffer(samples))
        self.peripherals: tuple[Peripheral, ...] = (
            clock, Power(self), Rtc0(self, clock), Rtc1(self, clock), Rtc2(self, clock), self.pdm, Uarte0(self),
            Port0(self), Port1(self), self.nvmc, Ficr(self), uicr, Wdt(self), Nvic(self, self.exceptions), self.scb,
            self.systick, self.debug, Dwt(self, self.debug, lambda: self.processor.active_cycles),
            Fpb(self, self._set_fpb_breakpoints),
        )  # fmt: skip
        self.processor.faults.scb, self.processor.systick = self.scb, self.systick
        self.bus = Bus(self.peripherals, self._register_name)
        for page in self.bus.pages:
            self.core.map_io(page, self._io_read, self._io_write)
        self.core.set_flash_writer(self._flash_write)

    # Memory and registers, for the probe and the tests

    def peek(self, address: int, size_bytes: int) -> bytes:
        """Memory without side effects. Raises: ValueError where none is."""
        return self.core.read(address, size_bytes)

    def poke(self, address: int, data: bytes) -> None:
        """Change memory, flash too. Raises: ValueError where none is."""
        self.core.write(address, data)

    def _memory_at(self, address: int, size_bytes: int) -> Memory | None:
        for memory in self.board.memories:
            if memory.origin <= address and address + size_bytes <= memory.origin + memory.length_bytes:
                return memory
        return None

    def read(self, address: int, size_bytes: int) -> bytes:
        """A debugger's read. Raises: DeviceError where the bus would answer with an error."""
        if self._memory_at(address, size_bytes) is not None:
            return self.peek(address, size_bytes)
        try:
            if size_bytes in (1, 2):
                return self.bus.read(address, size_bytes).to_bytes(size_bytes, "little")
            words = [self.bus.read(address + i, 4) for i in range(0, size_bytes, 4)]
        except BusError as error:
            raise DeviceError(error.message) from error
        return b"".join(w.to_bytes(4, "little") for w in words)

    def write(self, address: int, data: bytes) -> None:
        """A debugger's write. Raises: DeviceError where the bus would answer with an error."""
        memory = self._memory_at(address, len(data))
        if memory is not None and memory.origin != self.flash_origin:
            self.poke(address, data)
            return
        step = len(data) if len(data) in (1, 2) else 4
        for offset in range(0, len(data), step):
            part = data[offset : offset + step]
            self._debug_access = True
            try:
                if memory is None:
                    self.bus.write(address + offset, step, int.from_bytes(part, "little"))
                elif not self.nvmc.program(address + offset, part):
                    raise BusError("bus error", f"NVMC.CONFIG forbids writing the flash at 0x{address + offset:08x}")
            except BusError as error:
                raise DeviceError(error.message) from error
            finally:
                self._debug_access = False
        self.queue.run_due(self.now)

    def __getitem__(self, register: str) -> int:
        return self.core[register]

    def __setitem__(self, register: str, value: int) -> None:
        if register == "pc":
            self.core.jump(value & ~1)
        else:
            self.core[register] = value

    @property
    def breakpoints(self) -> frozenset[int]:
        """Addresses before which `run` halts; assign any iterable of them."""
        return self._breakpoints

    @breakpoints.setter
    def breakpoints(self, addresses: Iterable[int]) -> None:
        self._breakpoints = frozenset(addresses)
        self._update_breakpoints()

    def _set_fpb_breakpoints(self, addresses: set[int]) -> None:
        self._fpb_breakpoints = frozenset(addresses)
        self._update_breakpoints()

    def _update_breakpoints(self) -> None:
        self.processor.breakpoints = self._breakpoints | self._fpb_breakpoints
        self.core.set_breakpoints(self.processor.breakpoints)

    @property
    def debugger_attached(self) -> bool:
        """Whether a BKPT instruction halts instead of being a fault."""
        return self.processor.debugger_attached

    @debugger_attached.setter
    def debugger_attached(self, attached: bool) -> None:
        self.processor.debugger_attached = attached

    # Running

    def program(self, image: Image) -> None:
        """Put an image into the flash as a programmer would. Raises: ProjectError when it does not belong there."""
        for address, data in image.segments:
            memory = self._memory_at(address, len(data))
            if memory is None or memory.origin != self.flash_origin:
                raise ProjectError(
                    f"{image.path.name} has {len(data):,} bytes for 0x{address:08x}, which is not in the flash of "
                    f"`{self.board.name}`"
                )
            self.poke(address, data)
        self._vectors = min(address for address, _ in image.segments)

    def _forget_code(self) -> None:
        """The code may be another now: what was learnt of the old blocks, and what they counted, goes."""
        self.hook.clear_blocks()
        self.processor.describer.clear()
        self.core.clear_watches()

    def reset(self) -> None:
        """A reset: peripherals and core start anew, memories keep their contents, the vector table is read."""
        self.queue.clear()
        self.exceptions.reset()
        self.exceptions.lines.clear()
        for peripheral in self.peripherals:
            if not peripheral.survives_reset:
                peripheral.reset()
        self.processor.reset_state()
        self._forget_code()
        core = self.core
        for name in ("primask", "faultmask", "basepri", "control"):
            core[name] = 0
        core["xpsr"] = 1 << 24
        core["lr"] = 0xFFFFFFFF
        core["sp"] = int.from_bytes(self.peek(self._vectors, 4), "little") & ~3
        core.jump(int.from_bytes(self.peek(self._vectors + 4, 4), "little") & ~1)

    def run(self, until_cycle: int) -> Halt:
        """Run until virtual time reaches `until_cycle` or something ends the run before. Interrupts are taken."""
        return self.processor.run(until_cycle)

    def step(self) -> None:
        """Execute one instruction without taking interrupts."""
        self.processor.step()

    # What peripherals use

    @property
    def now(self) -> int:
        """Virtual time in processor cycles, sleep included."""
        return self.hook.state.cycles

    def at(self, cycle: int, action: Callable[[], None]) -> Event:
        """Run `action` at `cycle`."""
        self.break_block()
        return self.queue.at(cycle, action)

    def break_block(self) -> None:
        """Look at events and exceptions again before the next block."""
        self.processor.break_block()

    def set_irq(self, number: int, level: bool) -> None:
        """Drive the line of interrupt `number`."""
        self.exceptions.set_line(16 + number, level)
        self.break_block()

    def _dma_range(self, master: str, address: int, size_bytes: int) -> None:
        memory = self._memory_at(address, size_bytes)
        if memory is None or not memory.dma:
            where = f"memory `{memory.name}`" if memory else "no memory"
            raise BusError(
                "bus error", f"{master} EasyDMA of {size_bytes} bytes at 0x{address:08x}: {where} is not reached by DMA"
            )

    def dma_read(self, master: str, address: int, size_bytes: int) -> bytes:
        """Fetch by EasyDMA. Raises: BusError outside of DMA memory."""
        self._dma_range(master, address, size_bytes)
        return self.peek(address, size_bytes) if size_bytes else b""

    def dma_write(self, master: str, address: int, data: bytes) -> None:
        """Store by EasyDMA. Raises: BusError outside of DMA memory."""
        self._dma_range(master, address, len(data))
        self.poke(address, data)

    # What the core calls

    def _fpu_on(self) -> bool:
        return self.scb["CPACR"] >> 20 & 0xF == 0xF

    def _describe(self, block: Block) -> Answer:
        return self.processor.describer(block)

    def _register_name(self, address: int) -> str:
        """What the vendor calls a register that is not modelled."""
        name = None
        if self.board.svd:
            with contextlib.suppress(TinymlError):  # a message must not fail for want of a name
                name = name_of(self.board.svd, address & ~3)
        known = f"{name} (0x{address:08x})" if name else f"0x{address:08x}"
        return f"{known}, which the virtual board does not model"

    def _next_change(self, address: int) -> int | None:
        found = self.bus.find(address, 4)
        return found[0].next_change(found[1]) if found else None

    def _request_reset(self) -> None:
        if self._debug_access:
            self.reset()
            return
        place = locate_access(self.core, self.scb.base + 0xD0C, write=True)
        self.processor.faults.report("reset", "the firmware asked for a reset (SYSRESETREQ)", place)
        self.processor.halt(Halt.RESET)

    def _io_read(self, address: int, size_bytes: int) -> int:
        try:
            value = self.bus.read(address, size_bytes)
        except BusError as error:
            self.processor.access_failed(error, locate_access(self.core, address, write=False))
            return 0
        self.processor.note_read(address, value)
        return value

    def _io_write(self, address: int, size_bytes: int, value: int) -> None:
        self.processor.note_write()
        try:
            self.bus.write(address, size_bytes, value)
        except BusError as error:
            self.processor.access_failed(error, locate_access(self.core, address, write=True))

    def _flash_write(self, address: int, data: bytes) -> bool:
        return self._memory_at(address, len(data)) is not None and self.nvmc.program(address, data)
