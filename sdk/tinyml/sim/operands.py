"""Checks that the emulator itself does not make: alignment of multiple accesses, and the stack's limit.

Silicon faults on an unaligned LDM, STM, LDRD, STRD, VLDR, VSTR, LDREX or STREX; Unicorn lets them pass. To look at
every access would cost most of the speed, so each block is analysed once: an address is followed back to a linear
form over the registers at the block's start. What is aligned for certain needs no check, a linear form is checked
before the block runs, and what is known only in the middle of the block (a pointer just loaded) is watched at its
instruction.
"""

from __future__ import annotations

from dataclasses import dataclass

from tinyml.sim.disassembler import CsInsn, arm
from tinyml.sim.hook import Check
from tinyml.sim.timing import (
    DOUBLES,
    LISTS,
    LOADS,
    STACK_LISTS,
    STORES,
    VECTOR_LISTS,
    VECTOR_STACK_LISTS,
    instruction_ids,
    is_conditional,
    registers,
    word_count,
)

ALIGNMENT, STACK = 0, 1
_WRAP = 0xFFFFFFFF
_EXCLUSIVE = instruction_ids("LDREX", "STREX")
_VECTOR = instruction_ids("VLDR", "VSTR")
_CHECKED = DOUBLES | LISTS | VECTOR_LISTS | _VECTOR | _EXCLUSIVE
_DOWNWARD = instruction_ids("LDMDB", "STMDB", "VLDMDB", "VSTMDB")
_NUMBER = {
    **{getattr(arm, f"ARM_REG_R{i}"): i for i in range(13)},
    arm.ARM_REG_SP: 13, arm.ARM_REG_LR: 14, arm.ARM_REG_PC: 15,
}  # fmt: skip
_SP = 13


@dataclass(frozen=True)
class Form:
    """offset + sum(scale * register at the block's start), modulo 2^32; `fuzzy`: plus an unknown multiple of 4."""

    terms: tuple[tuple[int, int], ...] = ()
    offset: int = 0
    fuzzy: bool = False

    def plus(self, other: Form, scale: int = 1) -> Form:
        total = dict(self.terms)
        for register, factor in other.terms:
            total[register] = (total.get(register, 0) + scale * factor) & _WRAP
        kept = tuple(sorted((r, f) for r, f in total.items() if f))
        return Form(kept, (self.offset + scale * other.offset) & _WRAP, self.fuzzy or other.fuzzy)

    def moved(self, offset: int) -> Form:
        return Form(self.terms, (self.offset + offset) & _WRAP, self.fuzzy)

    def modulo_4(self) -> Form:
        """Without what is a multiple of 4 for certain; the stack pointer always is."""
        return Form(tuple((r, f & 3) for r, f in self.terms if f & 3 and r != _SP), self.offset & 3)


@dataclass(frozen=True)
class Analysis:
    """What to check before a block, and at which instructions in it."""

    before: tuple[Check, ...] = ()
    watched: tuple[Check, ...] = ()


def make_check(kind: int, address: int, form: Form) -> Check:
    """A check for the hook. `form` has at most two terms."""
    check = Check(kind=kind, address=address, offset=form.offset, terms=len(form.terms))
    for index, (register, scale) in enumerate(form.terms):
        check.reg[index] = register
        check.scale[index] = scale
    return check


class Tracker:
    """The values of the registers while a block is walked."""

    def __init__(self) -> None:
        self.values: list[Form | None] = [Form(((i, 1),)) for i in range(16)]

    def get(self, register: int, instruction: CsInsn) -> Form | None:
        if register == arm.ARM_REG_PC:
            return Form((), (instruction.address + 4) & ~3)
        number = _NUMBER.get(register)
        return None if number is None else self.values[number]

    def set(self, register: int, value: Form | None) -> None:
        number = _NUMBER.get(register)
        if number is not None:
            self.values[number] = value if value is None or len(value.terms) <= 2 else None

    def operand(self, instruction: CsInsn, index: int) -> Form | None:
        """The value of a register or immediate operand, its shift applied."""
        operand = instruction.operands[index]
        if operand.type == arm.ARM_OP_IMM:
            return Form((), operand.imm & _WRAP)
        if operand.type != arm.ARM_OP_REG:
            return None
        value = self.get(operand.reg, instruction)
        if operand.shift.type == arm.ARM_SFT_INVALID or operand.shift.value == 0:
            return value
        if operand.shift.type == arm.ARM_SFT_LSL:
            return _shifted(value, operand.shift.value)
        return None

    def memory(self, instruction: CsInsn) -> Form | None:
        """The base register's value; the displacement is left out."""
        for operand in instruction.operands:
            if operand.type == arm.ARM_OP_MEM:
                return self.get(operand.mem.base, instruction)
        return None


def _shifted(value: Form | None, bits: int) -> Form | None:
    if value is None:
        return Form(fuzzy=True) if bits >= 2 else None
    return Form(
        tuple((r, s) for r, f in value.terms if (s := (f << bits) & _WRAP)), (value.offset << bits) & _WRAP, value.fuzzy
    )


def _result(instruction: CsInsn, track: Tracker) -> Form | None:
    """What the first operand becomes, for the few instructions that compute addresses."""
    name, count = instruction.id, len(instruction.operands)
    if name in (arm.ARM_INS_MOV, arm.ARM_INS_MOVW) and count == 2:
        return track.operand(instruction, 1)
    if name == arm.ARM_INS_MOVT:
        low = track.get(instruction.operands[0].reg, instruction)
        if low is None or low.terms or low.fuzzy:
            return None
        return Form((), low.offset & 0xFFFF | instruction.operands[1].imm << 16)
    if name == arm.ARM_INS_ADR:
        return Form((), (((instruction.address + 4) & ~3) + instruction.operands[1].imm) & _WRAP)
    if name in (arm.ARM_INS_ADD, arm.ARM_INS_ADDW, arm.ARM_INS_SUB, arm.ARM_INS_SUBW):
        left = track.operand(instruction, count - 2)
        right = track.operand(instruction, count - 1)
        scale = 1 if name in (arm.ARM_INS_ADD, arm.ARM_INS_ADDW) else -1
        return None if left is None or right is None else left.plus(right, scale)
    if name == arm.ARM_INS_LSL and instruction.operands[-1].type == arm.ARM_OP_IMM:
        return _shifted(track.operand(instruction, count - 2), instruction.operands[-1].imm)
    if name == arm.ARM_INS_LSL and instruction.operands[-1].shift.type == arm.ARM_SFT_LSL:
        return track.operand(instruction, count - 1)
    if name == arm.ARM_INS_BIC and instruction.operands[-1].type == arm.ARM_OP_IMM:
        return Form(fuzzy=True) if instruction.operands[-1].imm & 3 == 3 else None
    return None


def _displacement(instruction: CsInsn) -> int:
    return next((o.mem.disp for o in instruction.operands if o.type == arm.ARM_OP_MEM), 0)


def _list_bytes(instruction: CsInsn) -> int:
    listed = registers(instruction)
    if instruction.id in LISTS or instruction.id in VECTOR_LISTS:
        listed = listed[1:]
    return 4 * word_count(listed)


def _lowest_address(instruction: CsInsn, track: Tracker) -> Form | None:
    """Where a checked access begins."""
    if instruction.id in LISTS or instruction.id in VECTOR_LISTS:
        base = track.get(registers(instruction)[0], instruction)
        return base if base is None or instruction.id not in _DOWNWARD else base.moved(-_list_bytes(instruction))
    base = track.memory(instruction)
    return base if base is None or instruction.post_index else base.moved(_displacement(instruction))


def follow(instruction: CsInsn, track: Tracker) -> None:
    """Follow what the instruction does to the registers."""
    name = instruction.id
    listed = registers(instruction)
    if name in STACK_LISTS or name in VECTOR_STACK_LISTS:
        sp = track.values[_SP]
        size = _list_bytes(instruction)
        pushes = name in (arm.ARM_INS_PUSH, arm.ARM_INS_VPUSH)
        if not pushes:
            for register in listed:
                track.set(register, None)
        track.values[_SP] = None if sp is None else sp.moved(-size if pushes else size)
        return
    base = None
    written: Form | None = None
    if instruction.writeback and (name in LISTS or name in VECTOR_LISTS):
        base = listed[0]
        value = track.get(base, instruction)
        size = _list_bytes(instruction)
        written = None if value is None else value.moved(-size if name in _DOWNWARD else size)
    elif instruction.writeback and (name in LOADS | STORES | DOUBLES):
        base = next(o.mem.base for o in instruction.operands if o.type == arm.ARM_OP_MEM)
        value = track.get(base, instruction)
        step = _displacement(instruction)
        if instruction.post_index and instruction.operands[-1].type == arm.ARM_OP_IMM:
            step = instruction.operands[-1].imm
        written = None if value is None else value.moved(step)
    result = _result(instruction, track)
    for register in instruction.regs_access()[1]:
        track.set(register, None)
    if result is not None and listed:
        track.set(listed[0], result)
    if base is not None:
        track.set(base, written)
    if is_conditional(instruction):
        for register in (*instruction.regs_access()[1], *([base] if base else ())):
            track.set(register, None)


def _needs_walk(block: list[CsInsn]) -> bool:
    for instruction in block:
        if instruction.id in _CHECKED or instruction.id in (arm.ARM_INS_PUSH, arm.ARM_INS_VPUSH):
            return True
        first = instruction.operands[0] if instruction.operands else None
        if first is not None and first.type == arm.ARM_OP_REG and first.reg == arm.ARM_REG_SP:
            return True
        if instruction.id in STORES and instruction.writeback:
            return True
    return False


class _StackGrowth:
    """The deepest that a block's pushes go, and every amount that only the running program knows."""

    def __init__(self) -> None:
        self._lowest: tuple[int, Form, int] | None = None
        self._dynamic: list[Check] = []
        self._last: Form | None = None

    def note(self, instruction: CsInsn, sp: Form | None) -> None:
        """The stack pointer after an instruction."""
        if sp == self._last or sp is None or sp.fuzzy or (_SP, 1) not in sp.terms:
            return
        self._last = sp
        grown = -((sp.offset ^ 0x80000000) - 0x80000000)
        if len(sp.terms) > 1:
            self._dynamic.append(make_check(STACK, instruction.address, sp))
        elif grown > (self._lowest[0] if self._lowest else 0):
            self._lowest = (grown, sp, instruction.address)

    def checks(self) -> list[Check]:
        """What to check before the block."""
        static = [make_check(STACK, self._lowest[2], self._lowest[1])] if self._lowest else []
        return static + self._dynamic


def analyse(block: list[CsInsn]) -> Analysis:
    """The checks of a block of instructions."""
    if not _needs_walk(block):
        return Analysis()
    track = Tracker()
    growth = _StackGrowth()
    before: list[Check] = []
    watched: list[Check] = []
    checked: set[Form] = set()
    for instruction in block:
        if instruction.id in _CHECKED:
            form = _lowest_address(instruction, track)
            if form is None or is_conditional(instruction):
                _watch(instruction, watched)
            elif (rest := form.modulo_4()) not in checked and (rest.terms or rest.offset):
                checked.add(rest)
                before.append(make_check(ALIGNMENT, instruction.address, rest))
        follow(instruction, track)
        growth.note(instruction, track.values[_SP])
    return Analysis((*before, *growth.checks()), tuple(watched))


def _watch(instruction: CsInsn, watched: list[Check]) -> None:
    """Check at the instruction itself, where its registers hold what it uses; one that is skipped is not checked."""
    form = _lowest_address(instruction, Tracker())
    rest = form.modulo_4() if form is not None else None
    if rest is not None and (rest.terms or rest.offset):
        watched.append(make_check(ALIGNMENT, instruction.address, rest))
