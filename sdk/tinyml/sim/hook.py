"""The native block hook: `hook.c` built for the host, and its structures as ctypes."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from ctypes import c_int, c_int32, c_uint32, c_uint64, c_void_p
from enum import IntEnum, IntFlag
from functools import cache
from pathlib import Path

from tinyml.errors import MissingToolError, ProjectError
from tinyml.toolchain import host_library

_SOURCE = Path(__file__).with_name("hook.c")
CAPACITY = 1 << 15  # slots for translated blocks; half of them may be used
MAX_CHECKS = 1 << 13
MAX_LAYERS = 512


class BlockFlag(IntFlag):
    """What the hook must know of a block; the values stand in hook.c."""

    ALWAYS_TAKEN = 1
    MAYBE_TAKEN = 2
    SPINS = 4
    CHECKED = 8
    SEND_EVENT = 16
    LAYER = 32
    COUNTED = 64


class StopReason(IntEnum):
    """Why the hook stopped the core before a block; the values stand in hook.c."""

    RUNNING = 0
    DEADLINE = 1
    UNMASKED = 2
    TRANSLATE = 3
    MISALIGNED = 4
    STACK_OVERRUN = 5
    SPINNING = 6
    FULL = 7
    INERT = 8
    NO_FPU = 9


class Block(ctypes.Structure):
    """One translated block and how often it ran; `taken` counts the runs that ended in a taken branch."""

    _fields_ = [
        ("runs", c_uint64), ("taken", c_uint64), ("address", c_uint32), ("size", c_uint32), ("cycles", c_uint32),
        ("instructions", c_uint32), ("flags", c_uint32), ("first_check", c_uint32), ("check_count", c_uint32),
        ("layer", c_uint32),
    ]  # fmt: skip


class Check(ctypes.Structure):
    """A rule on `offset + sum(scale * register)`, evaluated with the registers at the start of a block."""

    _fields_ = [
        ("kind", c_uint32), ("address", c_uint32), ("offset", c_uint32), ("terms", c_uint32),
        ("reg", c_uint32 * 2), ("scale", c_uint32 * 2),
    ]  # fmt: skip


DESCRIBE = ctypes.CFUNCTYPE(c_int, ctypes.POINTER(Block))


class State(ctypes.Structure):
    """Everything that the hook reads and counts; one for each emulated core."""

    _fields_ = [
        ("cycles", c_uint64), ("deadline", c_uint64), ("instructions", c_uint64), ("layer_begin", c_uint64),
        ("layer_excluded", c_uint64), ("engine", c_void_p), ("stop", c_void_p), ("reg_read", c_void_p),
        ("describe", DESCRIBE), ("blocks", ctypes.POINTER(Block)), ("checks", ctypes.POINTER(Check)),
        ("failed", ctypes.POINTER(Check)), ("layer_cycles", ctypes.POINTER(c_uint64)),
        ("layer_calls", ctypes.POINTER(c_uint64)), ("previous", ctypes.POINTER(Block)),
        ("before", ctypes.POINTER(Block)), ("capacity", c_uint32), ("used", c_uint32), ("refill_cycles", c_uint32),
        ("reason", c_uint32), ("watch_mask", c_uint32),
        ("primask", c_uint32), ("basepri", c_uint32), ("layer", c_uint32), ("layer_return", c_uint32),
        ("event", c_uint32), ("stack_limit", c_uint32), ("stack_top", c_uint32), ("counted", c_uint32),
        ("register_id", c_int32 * 16), ("primask_id", c_int32), ("basepri_id", c_int32), ("faultmask_id", c_int32),
        ("control_id", c_int32),
    ]  # fmt: skip


class Watch(ctypes.Structure):
    """The argument of the instruction hook."""

    _fields_ = [("state", ctypes.POINTER(State)), ("check", Check)]


class Region(ctypes.Structure):
    """The argument of the access hook: `touched` has a row of `size` bytes for each layer, 0 for none of them."""

    _fields_ = [
        ("state", ctypes.POINTER(State)), ("touched", c_void_p), ("begin", c_uint32), ("size", c_uint32),
        ("stack", c_uint32), ("strays", c_uint32), ("stray_layer", c_uint32), ("stray_address", c_uint32),
    ]  # fmt: skip


@cache
def library() -> ctypes.CDLL:
    """The compiled hook, built on first use. Raises: MissingToolError."""
    try:
        return ctypes.CDLL(str(host_library("sim-hook", [_SOURCE])))
    except (OSError, ProjectError) as error:
        raise MissingToolError(
            "the virtual board's native hook could not be built for this computer",
            details=[str(error), *getattr(error, "details", ())],
            hint="run `pip install ziglang`, then `tinyml doctor`",
        ) from error


class HookState:
    """Owns a `State` and the tables it points to."""

    def __init__(self, refill_cycles: int) -> None:
        self.blocks = (Block * CAPACITY)()
        self.checks = (Check * MAX_CHECKS)()
        self.check_count = 0
        self.layer_cycles = (c_uint64 * MAX_LAYERS)()
        self.layer_calls = (c_uint64 * MAX_LAYERS)()
        self.state = State(
            blocks=self.blocks, checks=self.checks, layer_cycles=self.layer_cycles, layer_calls=self.layer_calls,
            capacity=CAPACITY, refill_cycles=refill_cycles, layer_return=1,
        )  # fmt: skip

    def clear_blocks(self) -> None:
        """Forget all blocks and their counts."""
        ctypes.memset(self.blocks, 0, ctypes.sizeof(self.blocks))
        self.state.used = self.check_count = 0
        self.state.previous = self.state.before = None

    def add_checks(self, block: Block, checks: Sequence[Check]) -> None:
        """Append `checks` to the table for `block`. Raises: ProjectError when the table is full."""
        if self.check_count + len(checks) > MAX_CHECKS:
            raise ProjectError(f"the image has more than {MAX_CHECKS} blocks with operands to check")
        block.first_check = self.check_count
        block.check_count = len(checks)
        for check in checks:
            self.checks[self.check_count] = check
            self.check_count += 1

    def used_blocks(self) -> list[Block]:
        """The blocks that have run, in address order."""
        return sorted((b for b in self.blocks if b.runs), key=lambda b: (b.address, b.size))
