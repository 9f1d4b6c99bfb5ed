"""Cycles and operand checks of straight-line code, counted by hand from the manual's table."""

from __future__ import annotations

import pytest

pytest.importorskip("capstone", reason="needs the virtual board (extra `sim`)")
from tinyml.sim.disassembler import Disassembler  # noqa: E402
from tinyml.sim.operands import ALIGNMENT, STACK, analyse  # noqa: E402
from tinyml.sim.timing import Branch, block_timing  # noqa: E402

ORIGIN = 0x1000
# name: (assembly, its bytes, instructions, cycles without a refill, how it ends)
TIMED = {
    "single cycle": ("add r0,r0,r1; smlad r0,r1,r2,r0; umull r0,r1,r2,r3; bx lr",
                     "084421fb0200a2fb03017047", 4, 1 + 1 + 1 + 1, Branch.ALWAYS),
    "loads pipeline": ("ldr r0,[r3]; ldr r1,[r3,#4]; ldr r2,[r3,#8]; add r0,r0,r1; ldr r0,[r3]; str r0,[r3,#4]; bx lr",
                       "186859689a680844186858607047", 7, 2 + 1 + 1 + 1 + 2 + 1 + 1, Branch.ALWAYS),
    "not with their own result": ("ldr r3,[r0]; ldr r1,[r3]; ldrb r2,[r0,r1]", "03681968425c", 3, 2 + 2 + 2,
                                  Branch.NONE),
    "indexed stores": ("str r0,[r1]; str r0,[r1,r2]; ldr r0,[r1]; str r0,[r1,r2]; strb r0,[r1],#1",
                       "086088500868885001f8010b", 5, 1 + 2 + 2 + 1 + 1, Branch.NONE),
    "lists": ("push {r4,r5,lr}; ldm r3,{r0,r1,r2,r4}; ldrd r0,r1,[r3]; pop {r4,r5,pc}",
              "30b593e81700d3e9000130bd", 4, 4 + 5 + 3 + 4, Branch.ALWAYS),
    "loop": ("subs r0,#1; bne .-2", "0138fdd1", 2, 2, Branch.MAYBE),
    "floating point": ("vldr s0,[r3]; vadd.f32 s0,s0,s0; vdiv.f32 s0,s0,s0; vfma.f32 s0,s0,s0; vstmia r0!,{s0-s3}; "
                       "vldr d1,[r0]; vpush {d8}",
                       "93ed000a30ee000a80ee000aa0ee000aa0ec040a90ed001b2ded028b", 7, 2 + 1 + 14 + 3 + 5 + 3 + 3,
                       Branch.NONE),
    "divide, barrier, special": ("sdiv r0,r0,r1; dmb; cpsid i; mrs r0,primask", "90fbf1f0bff35f8f72b6eff31080", 4,
                                 7 + 4 + 2 + 2, Branch.NONE),
    "table branch": ("tbb [pc,r0]", "dfe800f0", 1, 3, Branch.ALWAYS),
    "load to pc": ("ldr pc,[r0]", "d0f800f0", 1, 2, Branch.ALWAYS),
    "compare and branch": ("cbz r0,.+8", "10b1", 1, 1, Branch.MAYBE),
    "conditional return": ("it eq; bxeq lr", "08bf7047", 2, 2, Branch.MAYBE),
}  # fmt: skip


def decode(code: str) -> list:
    return Disassembler().block(bytes.fromhex(code), ORIGIN)


@pytest.mark.parametrize("name", TIMED)
def test_cycles(name: str) -> None:
    _, code, instructions, cycles, branch = TIMED[name]
    timing = block_timing(decode(code))
    assert (timing.instructions, timing.cycles, timing.branch) == (instructions, cycles, branch)


# name: (assembly, its bytes, checks before the block, checks at an instruction);
# a check is (kind, offset of its instruction, constant, {register: factor})
CHECKED = {
    "certainly aligned": (
        "push {r4,lr}; ldrd r0,r1,[sp,#8]; bic r2,r0,#3; ldm r2,{r4,r5}; lsl r3,r1,#2; strd r4,r5,[r3]; "
        "movw r0,#0x1000; movt r0,#0x2000; ldrd r4,r5,[r0,#4]; pop {r4,pc}",
        "10b5dde9020120f0030292e830004fea8103c3e9004541f20000c2f20000d0e9014510bd",
        [(STACK, 0, -8, {13: 1})], [],
    ),
    "from a register": (
        "ldm r0!,{r4,r5}; ldm r0!,{r6,r7}; stmdb r1!,{r4,r5}; ldrd r2,r3,[r1,#8]", "30c8c0c821e93000d1e90223",
        [(ALIGNMENT, 0, 0, {0: 1}), (ALIGNMENT, 4, 0, {1: 1})], [],
    ),
    "computed": (
        "add r2,r0,r1; adds r2,#2; vldr s0,[r2,#4]; add r3,r0,r1,lsl #1; strd r4,r5,[r3],#8; ldrd r4,r5,[r3]",
        "00eb0102023292ed010a00eb4103e3e80245d3e90045",
        [(ALIGNMENT, 6, 2, {0: 1, 1: 1}), (ALIGNMENT, 14, 0, {0: 1, 1: 2})], [],
    ),
    "a constant": ("movw r0,#0x1002; ldrd r4,r5,[r0]", "41f20200d0e90045", [(ALIGNMENT, 4, 2, {})], []),
    "just loaded": (
        "ldr r3,[r0]; ldm r3,{r4,r5}; ldrd r4,r5,[r3]", "036893e83000d3e90045", [],
        [(ALIGNMENT, 2, 0, {3: 1}), (ALIGNMENT, 6, 0, {3: 1})],
    ),
    "perhaps skipped": ("cmp r0,#1; it eq; ldrdeq r4,r5,[r1]", "012808bfd1e90045", [], [(ALIGNMENT, 4, 0, {1: 1})]),
    "a frame": ("push {r4,r5,lr}; sub sp,#40; bl .+100", "30b58ab000f030f8", [(STACK, 2, -52, {13: 1})], []),
    "a frame of unknown size": (
        "push {r7,lr}; sub sp,sp,r0; str r1,[sp]", "80b5adeb000d0091",
        [(STACK, 0, -8, {13: 1}), (STACK, 2, -8, {13: 1, 0: -1})], [],
    ),
    "pushes by store": ("str lr,[sp,#-4]!; vpush {s16,s17}", "4df804ed2ded028a", [(STACK, 4, -12, {13: 1})], []),
    "release": ("add sp,#40; pop {r4,pc}", "0ab010bd", [], []),
    "no such access": ("ldr r0,[r3]; str r0,[r3,#1]", "1868c3f80100", [], []),
}  # fmt: skip


def signed(value: int) -> int:
    return value - (1 << 32) if value >> 31 else value


def readable(check) -> tuple:
    terms = {check.reg[i]: signed(check.scale[i]) for i in range(check.terms)}
    return check.kind, check.address - ORIGIN, signed(check.offset), terms


@pytest.mark.parametrize("name", CHECKED)
def test_operand_checks(name: str) -> None:
    _, code, before, watched = CHECKED[name]
    analysis = analyse(decode(code))
    assert [readable(c) for c in analysis.before] == before
    assert [readable(c) for c in analysis.watched] == watched
