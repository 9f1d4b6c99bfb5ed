"""The emulated Cortex-M4: the only module that imports the Unicorn engine (GPLv2, an optional extra).

It runs code until something needs the rest of the board and says what; exceptions, time and peripherals are not its
business. UC_MODE_MCLASS would silently make it a Cortex-M33.
"""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Callable, Iterable
from enum import Enum

from tinyml.errors import missing_extra
from tinyml.sim.hook import DESCRIBE as _DESCRIBE
from tinyml.sim.hook import Block as _Block
from tinyml.sim.hook import BlockFlag, Check, HookState, Region, StopReason, Watch, library

try:
    import unicorn
    from unicorn import arm_const as reg
    from unicorn.unicorn_py3.unicorn import uclib
except ImportError as _error:  # pragma: no cover - depends on the installation
    raise missing_extra("sim", "unicorn") from _error

NO_ADDRESS = 0xFFFF0000  # `until` of emu_start: nothing runs there
EXC_RETURN_FLOOR = 0xFFFFFF00
PAGE_BYTES = 0x1000
_WFI, _WFE = b"\x30\xbf", b"\x20\xbf"
_SVC, _PREFETCH, _BKPT, _INVSTATE = 2, 3, 7, 18


class Stop(Enum):
    """Why the core gave control back."""

    HOOK = "the block hook stopped it"
    BREAKPOINT = "it reached a breakpoint"
    WFI = "it waits for an interrupt"
    WFE = "it waits for an event"
    SVC = "it called the supervisor"
    BKPT = "it executed a breakpoint instruction"
    EXCEPTION_RETURN = "a handler returned"
    BAD_READ = "it read where nothing is"
    BAD_WRITE = "it wrote where nothing can be written"
    BAD_FETCH = "it jumped to where no code is"
    BAD_INSTRUCTION = "it met an undefined instruction"
    BAD_STATE = "it left Thumb state"


REGISTER_IDS = {
    **{f"r{i}": getattr(reg, f"UC_ARM_REG_R{i}") for i in range(13)},
    "sp": reg.UC_ARM_REG_SP, "lr": reg.UC_ARM_REG_LR, "pc": reg.UC_ARM_REG_PC, "xpsr": reg.UC_ARM_REG_XPSR,
    "msp": reg.UC_ARM_REG_MSP, "psp": reg.UC_ARM_REG_PSP, "control": reg.UC_ARM_REG_CONTROL,
    "primask": reg.UC_ARM_REG_PRIMASK, "basepri": reg.UC_ARM_REG_BASEPRI, "faultmask": reg.UC_ARM_REG_FAULTMASK,
    "ipsr": reg.UC_ARM_REG_IPSR, "fpscr": reg.UC_ARM_REG_FPSCR,
    **{f"s{i}": getattr(reg, f"UC_ARM_REG_S{i}") for i in range(32)},
}  # fmt: skip


class Core:
    """A Cortex-M4 with its memory. `hook` counts and stops; `describe` fills the hook's new blocks."""

    def __init__(self, hook: HookState, describe: Callable[[_Block], int]) -> None:
        self._engine = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB)
        self._engine.ctl_set_cpu_model(reg.UC_CPU_ARM_CORTEX_M4)
        self.hook = hook
        self.fault_address = 0
        self._interrupt: int | None = None
        self._hit_breakpoint = False
        self._error: BaseException | None = None
        self._breakpoints: dict[int, int] = {}
        self._watches: list[tuple[int, Watch]] = []  # kept alive for the engine
        self._regions: list[Region] = []
        self._on_flash_write: Callable[[int, bytes], bool] = lambda address, data: False
        self._describe = _DESCRIBE(self._guarded(describe))
        self._connect()

    def _connect(self) -> None:
        state = self.hook.state
        state.engine = self._engine._uch
        state.stop = ctypes.cast(uclib.uc_emu_stop, ctypes.c_void_p)
        state.reg_read = ctypes.cast(uclib.uc_reg_read, ctypes.c_void_p)
        state.describe = self._describe
        for index in range(16):
            state.register_id[index] = REGISTER_IDS[("sp", "lr", "pc")[index - 13] if index > 12 else f"r{index}"]
        state.primask_id, state.basepri_id = REGISTER_IDS["primask"], REGISTER_IDS["basepri"]
        state.faultmask_id, state.control_id = REGISTER_IDS["faultmask"], REGISTER_IDS["control"]
        self._native_hook(unicorn.UC_HOOK_BLOCK, library().tm_on_block, ctypes.pointer(state), 1, 0)
        engine = self._engine
        engine.hook_add(unicorn.UC_HOOK_INTR, self._on_interrupt)
        engine.hook_add(unicorn.UC_HOOK_MEM_UNMAPPED | unicorn.UC_HOOK_MEM_FETCH_PROT, self._on_bad_access)
        engine.hook_add(unicorn.UC_HOOK_MEM_WRITE_PROT, self._on_protected_write)

    def _native_hook(self, kind: int, function: object, user: object, begin: int, end: int) -> int:
        handle = ctypes.c_size_t()
        add = uclib.uc_hook_add
        status = add(
            self._engine._uch, ctypes.byref(handle), ctypes.c_int(kind), ctypes.cast(function, ctypes.c_void_p),
            ctypes.cast(user, ctypes.c_void_p), ctypes.c_uint64(begin), ctypes.c_uint64(end),
        )  # fmt: skip
        if status != unicorn.UC_ERR_OK:
            raise RuntimeError(f"uc_hook_add failed: {status}")
        return handle.value

    def _guarded(self, describe: Callable[[_Block], int]) -> Callable[[object], int]:
        """An exception must not cross the engine: it is kept and raised when the core has stopped."""

        def call(pointer: object) -> int:
            try:
                return int(describe(pointer.contents))  # type: ignore[attr-defined]
            except BaseException as error:  # noqa: BLE001
                self._keep(error)
                return 0

        return call

    def _keep(self, error: BaseException) -> None:
        """Stopping inside a store would repeat it for ever, so the block goes on to its end."""
        self._error = self._error or error
        self.hook.state.deadline = 0

    # Memory

    def map_memory(self, origin: int, size_bytes: int, *, writable: bool) -> None:
        """RAM, or flash whose writes go to the flash controller."""
        permissions = unicorn.UC_PROT_ALL if writable else unicorn.UC_PROT_READ | unicorn.UC_PROT_EXEC
        self._engine.mem_map(origin, size_bytes, permissions)

    def map_io(self, origin: int, read: Callable[[int, int], int], write: Callable[[int, int, int], None]) -> None:
        """A page of registers: `read(address, size)` and `write(address, size, value)`."""

        def on_read(engine: object, offset: int, size: int, user: object) -> int:
            try:
                return read(origin + offset, size)
            except BaseException as error:  # noqa: BLE001
                self._keep(error)
                return 0

        def on_write(engine: object, offset: int, size: int, value: int, user: object) -> None:
            try:
                write(origin + offset, size, value)
            except BaseException as error:  # noqa: BLE001
                self._keep(error)

        self._engine.mmio_map(origin, PAGE_BYTES, on_read, None, on_write, None)

    def set_flash_writer(self, write: Callable[[int, bytes], bool]) -> None:
        """Who handles writes to read-only memory: `write(address, data)` returns False for a fault."""
        self._on_flash_write = write

    def read(self, address: int, size_bytes: int) -> bytes:
        """Memory, without side effects. Raises: ValueError where none is mapped."""
        try:
            return bytes(self._engine.mem_read(address, size_bytes))
        except unicorn.UcError as error:
            raise ValueError(f"no memory at 0x{address:08x}") from error

    def write(self, address: int, data: bytes) -> None:
        """Memory, read-only memory included. Raises: ValueError where none is mapped."""
        try:
            self._engine.mem_write(address, data)
        except unicorn.UcError as error:
            raise ValueError(f"no memory at 0x{address:08x}") from error

    # Registers

    def __getitem__(self, name: str) -> int:
        return self._engine.reg_read(REGISTER_IDS[name])

    def __setitem__(self, name: str, value: int) -> None:
        self._engine.reg_write(REGISTER_IDS[name], value & 0xFFFFFFFF)

    def jump(self, address: int) -> None:
        """Continue at `address` in Thumb state."""
        self._engine.reg_write(REGISTER_IDS["pc"], address | 1)

    # Breakpoints and watches

    def set_breakpoints(self, addresses: Iterable[int]) -> None:
        """Stop before the instructions at exactly these addresses."""
        wanted = set(addresses)
        for address in set(self._breakpoints) - wanted:
            self._engine.hook_del(self._breakpoints.pop(address))
        for address in wanted - set(self._breakpoints):
            self._breakpoints[address] = self._engine.hook_add(
                unicorn.UC_HOOK_CODE, self._on_breakpoint, begin=address, end=address
            )
        self.flush()

    def watch(self, check: Check) -> None:
        """Evaluate `check` right before its instruction."""
        watch = Watch(state=ctypes.pointer(self.hook.state), check=check)
        handle = self._native_hook(
            unicorn.UC_HOOK_CODE, library().tm_on_instruction, ctypes.pointer(watch), check.address, check.address
        )
        self._watches.append((handle, watch))

    def clear_watches(self) -> None:
        """Evaluate no check at an instruction any more."""
        for handle, _ in self._watches:
            uclib.uc_hook_del(self._engine._uch, ctypes.c_size_t(handle))  # the binding knows only its own hooks
        self._watches.clear()
        self.flush()

    def watch_accesses(self, region: Region, begin: int, end: int) -> None:
        """Note every load and store at addresses from `begin` to `end`, inclusive, in `region`, for good.

        The engine loses the IT state at such a load or store, so code with one inside an IT block goes wrong.
        """
        self._regions.append(region)
        kind = unicorn.UC_HOOK_MEM_READ | unicorn.UC_HOOK_MEM_WRITE
        self._native_hook(kind, library().tm_on_access, ctypes.pointer(region), begin, end)
        self.flush()

    def flush(self) -> None:
        """Translate anew: blocks that ran before do not know of later hooks."""
        self._engine.ctl_flush_tb()

    def _on_breakpoint(self, engine: object, address: int, size: int, user: object) -> None:
        self._hit_breakpoint = True
        self._engine.emu_stop()

    # Running

    def _on_interrupt(self, engine: object, number: int, user: object) -> None:
        self._interrupt = number
        self._engine.emu_stop()

    def _on_bad_access(self, engine: object, kind: int, address: int, size: int, value: int, user: object) -> bool:
        self.fault_address = address
        return False

    def _on_protected_write(self, engine: object, kind: int, address: int, size: int, value: int, user: object) -> bool:
        self.fault_address = address
        # The engine drops the store itself when this returns True.
        return self._on_flash_write(address, (value & ((1 << 8 * size) - 1)).to_bytes(size, "little"))

    def run(self, *, instructions: int = 0) -> Stop:
        """Run from the current PC until something happens (`instructions`: at most so many)."""
        state = self.hook.state
        state.reason = StopReason.RUNNING
        self._interrupt = None
        self._hit_breakpoint = False
        failure = None
        try:
            self._engine.emu_start(self["pc"] | 1, NO_ADDRESS, count=instructions)
        except unicorn.UcError as error:
            failure = error.errno
        if self._error is not None:
            error, self._error = self._error, None
            raise error
        return self._classify(failure)

    def run_uncounted(self, instructions: int) -> None:
        """Execute straight-line code that the hook neither counts nor checks."""
        self.flush()
        self.hook.state.reason = StopReason.INERT
        with contextlib.suppress(unicorn.UcError):
            self._engine.emu_start(self["pc"] | 1, NO_ADDRESS, count=instructions)
        self.flush()

    def _classify(self, failure: int | None) -> Stop:
        pc = self["pc"]
        if pc >= EXC_RETURN_FLOOR:
            return Stop.EXCEPTION_RETURN
        if self._hit_breakpoint:
            return Stop.BREAKPOINT
        if self._interrupt is not None:
            return {_SVC: Stop.SVC, _BKPT: Stop.BKPT, _PREFETCH: Stop.BAD_FETCH}.get(self._interrupt, Stop.BAD_STATE)
        if failure is not None:
            return self._classify_failure(failure)
        if self.hook.state.reason != StopReason.RUNNING:
            return Stop.HOOK
        return Stop.WFI if self.read(pc - 2, 2) == _WFI else Stop.HOOK

    def _classify_failure(self, failure: int) -> Stop:
        if failure in (unicorn.UC_ERR_READ_UNMAPPED, unicorn.UC_ERR_READ_PROT):
            return Stop.BAD_READ
        if failure in (unicorn.UC_ERR_WRITE_UNMAPPED, unicorn.UC_ERR_WRITE_PROT):
            return Stop.BAD_WRITE
        if failure in (unicorn.UC_ERR_FETCH_UNMAPPED, unicorn.UC_ERR_FETCH_PROT):
            return Stop.BAD_FETCH
        if not self["xpsr"] >> 24 & 1:
            return Stop.BAD_STATE
        pc = self["pc"]
        if failure == unicorn.UC_ERR_INSN_INVALID and self.read(pc - 2, 2) == _WFE:
            return Stop.WFE
        return Stop.BAD_INSTRUCTION


__all__ = ["REGISTER_IDS", "BlockFlag", "Core", "Stop"]
