"""Which instruction of the running block makes an access: during one the emulator only knows the block."""

from __future__ import annotations

from tinyml.sim.cpu import Core
from tinyml.sim.disassembler import CsInsn, Disassembler, arm
from tinyml.sim.operands import Form, Tracker, follow
from tinyml.sim.timing import LOADS, STORES, is_conditional

_NAMES = {
    **{getattr(arm, f"ARM_REG_R{i}"): f"r{i}" for i in range(13)},
    arm.ARM_REG_SP: "sp", arm.ARM_REG_LR: "lr",
}  # fmt: skip
_LONGEST_BLOCK_BYTES = 1024
_DISASSEMBLER = Disassembler()


def _static_address(instruction: CsInsn, track: Tracker) -> int | None:
    """The address of the access where the block itself makes it a constant."""
    memory = next(o.mem for o in instruction.operands if o.type == arm.ARM_OP_MEM)
    base = track.get(memory.base, instruction)
    if base is None or base.terms or base.fuzzy or memory.index:
        return None
    return (base.offset + (0 if instruction.post_index else memory.disp)) & 0xFFFFFFFF


def _address_now(core: Core, instruction: CsInsn) -> int:
    """The address of the access if it were made with the registers of this moment."""
    memory = next(o.mem for o in instruction.operands if o.type == arm.ARM_OP_MEM)
    base = (instruction.address + 4) & ~3 if memory.base == arm.ARM_REG_PC else core[_NAMES[memory.base]]
    index = core[_NAMES[memory.index]] << memory.lshift if memory.index else 0
    return (base + index + (0 if instruction.post_index else memory.disp)) & 0xFFFFFFFF


def _follow_load(core: Core, instruction: CsInsn, track: Tracker) -> None:
    """Constants that the code loads from its own literal pool are known."""
    address = _static_address(instruction, track)
    follow(instruction, track)
    memory = next(o.mem for o in instruction.operands if o.type == arm.ARM_OP_MEM)
    if instruction.id == arm.ARM_INS_LDR and memory.base == arm.ARM_REG_PC and address is not None:
        track.set(instruction.operands[0].reg, Form((), int.from_bytes(core.read(address, 4), "little")))


def locate_access(core: Core, address: int, *, write: bool) -> int:
    """The address of the load or store to `address` in the block that starts at pc; the block's own when unknown.

    An instruction whose address is a constant of the block is certain; of the others, whose registers may have
    changed since, the last that fits is taken.
    """
    start = core["pc"]
    kinds = STORES if write else LOADS
    found = start
    track = Tracker()
    for instruction in _DISASSEMBLER.block(core.read(start, _LONGEST_BLOCK_BYTES), start):
        if instruction.id in kinds:
            static = _static_address(instruction, track)
            if static == address:
                return instruction.address
            if static is None and _address_now(core, instruction) == address:
                found = instruction.address
        if instruction.id in LOADS:
            _follow_load(core, instruction, track)
        else:
            follow(instruction, track)
        if instruction.id in (arm.ARM_INS_B, arm.ARM_INS_BX, arm.ARM_INS_BL) and not is_conditional(instruction):
            break
    return found
