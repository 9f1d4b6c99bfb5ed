"""Which instruction of the running block makes an access: during one the emulator only knows the block."""

from __future__ import annotations

from capstone import CsInsn, arm

from tinyml.sim.cpu import Core
from tinyml.sim.timing import LOADS, STORES, Disassembler

_NAMES = {
    **{getattr(arm, f"ARM_REG_R{i}"): f"r{i}" for i in range(13)},
    arm.ARM_REG_SP: "sp", arm.ARM_REG_LR: "lr",
}  # fmt: skip
_LONGEST_BLOCK_BYTES = 256
_DISASSEMBLER = Disassembler()


def _address(core: Core, instruction: CsInsn) -> int | None:
    for operand in instruction.operands:
        if operand.type == arm.ARM_OP_MEM:
            base = (instruction.address + 4) & ~3
            if operand.mem.base != arm.ARM_REG_PC:
                base = core[_NAMES[operand.mem.base]]
            index = core[_NAMES[operand.mem.index]] << operand.mem.lshift if operand.mem.index else 0
            return (base + index + (0 if instruction.post_index else operand.mem.disp)) & 0xFFFFFFFF
    return None


def locate_access(core: Core, address: int, *, write: bool) -> int:
    """The address of the load or store to `address` in the block that starts at pc; the block's own when unknown.

    The registers are those at the access, so the instruction is the one whose operands give `address`.
    """
    start = core["pc"]
    kinds = STORES if write else LOADS
    for instruction in _DISASSEMBLER.block(core.read(start, _LONGEST_BLOCK_BYTES), start):
        if instruction.id in kinds and _address(core, instruction) == address:
            return instruction.address
        if instruction.id in (arm.ARM_INS_B, arm.ARM_INS_BX) and instruction.cc in (arm.ARM_CC_AL, arm.ARM_CC_INVALID):
            break
    return start
