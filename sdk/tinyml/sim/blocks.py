"""What the hook must know of a block: cycles, how it ends, checks, layers. Asked once for each block."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from enum import IntEnum
from functools import lru_cache

from tinyml.sim.disassembler import CsInsn, Disassembler, arm
from tinyml.sim.hook import Block, BlockFlag, Check, HookState
from tinyml.sim.operands import Analysis, analyse
from tinyml.sim.timing import BlockTiming, Branch, block_timing

_FLAGS = {Branch.NONE: 0, Branch.MAYBE: BlockFlag.MAYBE_TAKEN, Branch.ALWAYS: BlockFlag.ALWAYS_TAKEN}
LAYER_PATTERN = re.compile(r"m_layer_\d+_")


class Answer(IntEnum):
    """What the hook does with a new block; the values stand in hook.c."""

    NO_FPU = -1
    TRANSLATE = 0  # an instruction of it is to be watched, for which it must be translated anew
    RUN = 1


def layer_name(function: str) -> str:
    """A function's name without the suffixes that compilers give to specialised copies."""
    return function.split(".")[0]


@lru_cache(maxsize=1 << 15)
def _study(code: bytes, address: int) -> tuple[BlockTiming, Analysis, bool, bool, bool]:
    """Timing and checks of a block; whether it only jumps to itself, sends an event (SEV), needs the FPU."""
    block = _DISASSEMBLER.block(code, address)
    floats = any(i.mnemonic.startswith("v") for i in block)
    return block_timing(block), analyse(block), _spins(block), any(_is_sev(i) for i in block), floats


_DISASSEMBLER = Disassembler()


def _spins(block: list[CsInsn]) -> bool:
    return len(block) == 1 and block[0].id == arm.ARM_INS_B and block[0].operands[0].imm == block[0].address


def _is_sev(instruction: CsInsn) -> bool:
    return instruction.mnemonic.split(".")[0] == "sev"


class BlockDescriber:
    """Fills new blocks; `fpu_on` tells whether floating-point instructions are allowed."""

    def __init__(
        self, hook: HookState, read: Callable[[int, int], bytes], layers: Mapping[int, int], counted: int | None,
        fpu_on: Callable[[], bool],
    ) -> None:  # fmt: skip
        self._hook = hook
        self._read = read
        self._layers = layers
        self._counted = counted
        self._fpu_on = fpu_on
        self.clear()

    def clear(self) -> None:
        """Forget which instructions are watched."""
        self._watched: set[int] = set()
        self._new_watches: list[Check] = []

    def take_watches(self) -> list[Check]:
        """The checks at instructions that were found since the last call."""
        found, self._new_watches = self._new_watches, []
        return found

    def __call__(self, block: Block) -> Answer:
        """Fill `block`, and say whether it may run."""
        timing, analysis, spins, sends_event, floats = _study(self._read(block.address, block.size), block.address)
        if floats and not self._fpu_on():
            return Answer.NO_FPU
        block.cycles = timing.cycles
        block.instructions = timing.instructions
        flags = BlockFlag(_FLAGS[timing.branch])
        if spins:
            flags |= BlockFlag.SPINS
        if sends_event:
            flags |= BlockFlag.SEND_EVENT
        if analysis.before:
            flags |= BlockFlag.CHECKED
            self._hook.add_checks(block, analysis.before)
        if block.address in self._layers:
            flags |= BlockFlag.LAYER
            block.layer = self._layers[block.address]
        if block.address == self._counted:
            flags |= BlockFlag.COUNTED
        block.flags = flags
        fresh = [c for c in analysis.watched if c.address not in self._watched]
        self._watched.update(c.address for c in fresh)
        self._new_watches += fresh
        return Answer.TRANSLATE if fresh else Answer.RUN
