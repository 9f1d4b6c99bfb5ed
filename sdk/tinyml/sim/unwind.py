"""Who called whom, from the registers and the stack."""

from __future__ import annotations

from collections.abc import Callable

from elftools.common.exceptions import ELFError
from elftools.dwarf.callframe import FDE

from tinyml.sim.elf import Image, Place

MAX_FRAMES = 24
_EXC_RETURN_FLOOR = 0xFFFFFF00
Read = Callable[[int], int]  # a word of memory; raises ValueError


def _description(image: Image, pc: int) -> FDE | None:
    return next((fde for start, end, fde in image.frames if start <= pc < end), None)


def _caller(image: Image, read: Read, registers: dict[int, int], pc: int, *, innermost: bool) -> dict[int, int] | None:
    """The registers of the calling function; None where the image does not tell.

    Only the innermost function may still have its return address in LR: without a frame description, or before its
    prologue.
    """
    fde = _description(image, pc)
    rows = [row for row in fde.get_decoded().table if row["pc"] <= pc] if fde is not None else []
    if not rows:
        return dict(registers) if innermost else None
    row = rows[-1]
    if row["cfa"].reg is None or (14 not in row and not innermost):
        return None
    cfa = registers[row["cfa"].reg] + row["cfa"].offset
    found = dict(registers)
    for register, rule in row.items():
        if isinstance(register, int) and rule.type == "OFFSET":
            found[register] = read(cfa + rule.arg)
    found[13] = cfa
    return found


def _interrupted(read: Read, registers: dict[int, int], exc_return: int) -> dict[int, int]:
    """The registers of the code that an exception interrupted, from the frame the processor pushed."""
    frame = registers[13]
    words = [read(frame + 4 * i) for i in range(8)]
    found = dict(registers)
    found.update(zip((0, 1, 2, 3, 12, 14), words, strict=False))
    found[15] = words[6]
    found[13] = frame + (0x20 if exc_return & 0x10 else 0x68) + (4 if words[7] & 1 << 9 else 0)
    return found


def backtrace(image: Image, read: Read, registers: dict[int, int]) -> tuple[Place, ...]:
    """The callers of the instruction at `registers[15]`, innermost first; `registers` are r0 to r15 by number.

    Goes through exception frames to the interrupted code and ends where the image describes no frame.
    """
    places: list[Place] = []
    pc, innermost = registers[15], True
    try:
        while len(places) < MAX_FRAMES:
            caller = _caller(image, read, registers, pc, innermost=innermost)
            if caller is None:
                break
            if caller[14] >= _EXC_RETURN_FLOOR:
                caller = _interrupted(read, caller, caller[14])
                pc, innermost = caller[15] & ~1, True
            else:
                pc, innermost = (caller[14] & ~1) - 2, False  # inside the calling instruction
            if image.function_at(pc) is None:
                break
            places.append(image.place(pc))
            registers = caller
    except (ValueError, KeyError, ELFError):
        pass  # a broken stack ends the list, it must not hide the fault
    return tuple(places)
