"""Cycles of a basic block on a Cortex-M4, from a static table.

Source: ARM DDI 0439 (Cortex-M4 Technical Reference Manual r0p1), table 3-1 and section 3.3.3 (load/store timings), at
zero wait states: no flash latency, no bus contention. Choices where the manual gives a range:
a taken branch refills the pipeline in `REFILL_CYCLES` (manual: 1 to 3), a divide takes 7 (2 to 12), a barrier 4.
An instruction that its IT block skips costs what it costs when executed.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from tinyml.sim.disassembler import CsInsn, arm

REFILL_CYCLES = 2
EXCEPTION_ENTRY_CYCLES = 12  # section 3.9: interrupt latency
TAIL_CHAIN_CYCLES = 6
EXCEPTION_RETURN_CYCLES = 10


def instruction_ids(*names: str) -> frozenset[int]:
    """Capstone's numbers of the instructions called so."""
    return frozenset(getattr(arm, f"ARM_INS_{name}") for name in names)


LOADS = instruction_ids(
    "LDR", "LDRB", "LDRH", "LDRSB", "LDRSH", "LDRT", "LDRBT", "LDRHT", "LDRSBT", "LDRSHT", "LDREX", "LDREXB", "LDREXH"
)
STORES = instruction_ids("STR", "STRB", "STRH", "STRT", "STRBT", "STRHT", "STREX", "STREXB", "STREXH")
DOUBLES = instruction_ids("LDRD", "STRD")
LISTS = instruction_ids("LDM", "LDMDB", "STM", "STMDB")  # the base register is the first operand
STACK_LISTS = instruction_ids("PUSH", "POP")
VECTOR_LISTS = instruction_ids("VLDMIA", "VLDMDB", "VSTMIA", "VSTMDB")
VECTOR_STACK_LISTS = instruction_ids("VPUSH", "VPOP")
_BRANCHES = instruction_ids("B", "BL", "BX", "BLX", "CBZ", "CBNZ")
_COMPARE_BRANCHES = instruction_ids("CBZ", "CBNZ")
_TABLE_BRANCHES = instruction_ids("TBB", "TBH")
_FIXED = {
    **dict.fromkeys(instruction_ids("SDIV", "UDIV"), 7),
    **dict.fromkeys(instruction_ids("DMB", "DSB", "ISB"), 4),
    **dict.fromkeys(instruction_ids("MRS", "MSR", "CPS"), 2),
    **dict.fromkeys(instruction_ids("VMLA", "VMLS", "VNMLA", "VNMLS", "VFMA", "VFMS", "VFNMA", "VFNMS"), 3),
    **dict.fromkeys(instruction_ids("VDIV", "VSQRT"), 14),
    **dict.fromkeys(DOUBLES, 3),
}
_ALWAYS = (arm.ARM_CC_AL, arm.ARM_CC_INVALID)


class Branch(Enum):
    """How a block ends: it falls through, may branch, or always branches."""

    NONE = 0
    MAYBE = 1
    ALWAYS = 2


@dataclass(frozen=True)
class BlockTiming:
    """`cycles` without the refill of the last instruction's taken branch."""

    instructions: int
    cycles: int
    branch: Branch


def is_conditional(instruction: CsInsn) -> bool:
    """Whether the instruction has a condition (a branch's own, or its IT block's)."""
    return instruction.cc not in _ALWAYS and instruction.id != arm.ARM_INS_IT


def registers(instruction: CsInsn) -> list[int]:
    """The register operands in the order they are written."""
    return [o.reg for o in instruction.operands if o.type == arm.ARM_OP_REG]


def _is_double(register: int) -> bool:
    return arm.ARM_REG_D0 <= register <= arm.ARM_REG_D31


def word_count(listed: list[int]) -> int:
    """Words that a list of registers takes in memory."""
    return sum(2 if _is_double(r) else 1 for r in listed)


def _ends_in_branch(instruction: CsInsn, listed: list[int]) -> Branch:
    name = instruction.id
    jumps = name in _BRANCHES or name in _TABLE_BRANCHES
    if name in STACK_LISTS or name in LISTS:
        jumps = arm.ARM_REG_PC in (listed if name in STACK_LISTS else listed[1:]) and name not in _STORING
    elif not jumps and listed:
        jumps = listed[0] == arm.ARM_REG_PC and name not in STORES
    if not jumps:
        return Branch.NONE
    return Branch.MAYBE if name in _COMPARE_BRANCHES or is_conditional(instruction) else Branch.ALWAYS


_STORING = instruction_ids("PUSH", "STM", "STMDB")


def _load_cycles(instruction: CsInsn, listed: list[int], loaded: int | None) -> int:
    """Two cycles, or one right behind another single load whose result it does not use as an address."""
    address = {r for o in instruction.operands if o.type == arm.ARM_OP_MEM for r in (o.mem.base, o.mem.index) if r}
    if instruction.id == arm.ARM_INS_VLDR and _is_double(listed[0]):
        return 3
    return 1 if loaded is not None and loaded not in address else 2


def _store_cycles(instruction: CsInsn, listed: list[int], loaded: int | None) -> int:
    if instruction.id == arm.ARM_INS_VSTR and _is_double(listed[0]):
        return 3
    indexed = any(o.type == arm.ARM_OP_MEM and o.mem.index for o in instruction.operands)
    return 2 if indexed and loaded is None else 1


def _other_cycles(instruction: CsInsn, listed: list[int]) -> int:
    name = instruction.id
    if name in LISTS or name in STACK_LISTS:
        return 1 + len(listed) - (name in LISTS)
    if name in VECTOR_LISTS or name in VECTOR_STACK_LISTS:
        return 1 + word_count(listed[1:] if name in VECTOR_LISTS else listed)
    if name in _TABLE_BRANCHES:
        return 3
    if name == arm.ARM_INS_VMOV and len(instruction.operands) == 3:
        return 2
    return _FIXED.get(name, 1)


def block_timing(block: list[CsInsn]) -> BlockTiming:
    """Cycles of straight-line code; loads do not pipeline across the start of a block."""
    cycles = 0
    loaded: int | None = None  # target of a single load right before
    branch = Branch.NONE
    for instruction in block:
        listed = registers(instruction)
        branch = _ends_in_branch(instruction, listed)
        target = None
        if instruction.id in LOADS or instruction.id == arm.ARM_INS_VLDR:
            cycles += _load_cycles(instruction, listed, loaded)
            if branch is Branch.NONE and not (instruction.id == arm.ARM_INS_VLDR and _is_double(listed[0])):
                target = listed[0]
        elif instruction.id in STORES or instruction.id == arm.ARM_INS_VSTR:
            cycles += _store_cycles(instruction, listed, loaded)
        else:
            cycles += _other_cycles(instruction, listed)
        loaded = target
    return BlockTiming(len(block), cycles, branch)
