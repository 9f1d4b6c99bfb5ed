"""Who called whom, from the registers and the stack."""

from __future__ import annotations

from collections.abc import Callable

from elftools.common.exceptions import ELFError
from elftools.dwarf.callframe import FDE, CFARule

from tinyml.sim.elf import Image, Place

MAX_FRAMES = 24
_EXC_RETURN_FLOOR = 0xFFFFFF00
Read = Callable[[int], int]  # a word of memory; raises ValueError


def _description(image: Image, pc: int) -> FDE | None:
    return next((fde for start, end, fde in image.frames if start <= pc < end), None)


def _caller(image: Image, read: Read, registers: dict[int, int], pc: int) -> dict[int, int] | None:
    """The registers of the calling function, by its frame description; None without one."""
    fde = _description(image, pc)
    if fde is None:
        return None
    rows = [row for row in fde.get_decoded().table if row["pc"] <= pc]
    if not rows or not isinstance(rows[-1]["cfa"], CFARule) or rows[-1]["cfa"].reg is None:
        return None
    row = rows[-1]
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

    Ends where the image describes no frame; a function that is a leaf until its first call is followed by its LR.
    """
    places: list[Place] = []
    pc = registers[15]
    try:
        for _ in range(MAX_FRAMES):
            caller = _caller(image, read, registers, pc)
            if caller is None:
                if places or image.function_at(registers[14] & ~1) is None:
                    break
                caller = dict(registers)  # no description: believe LR, once
            target = caller[14]
            if target >= _EXC_RETURN_FLOOR:
                caller = _interrupted(read, caller, target)
                pc = caller[15] & ~1
            else:
                pc = (target & ~1) - 2  # inside the calling instruction
            if image.function_at(pc) is None:
                break
            places.append(image.place(pc))
            if caller == registers:
                break
            registers = caller
    except (ValueError, KeyError, ELFError):
        pass  # a broken stack ends the list, it must not hide the fault
    return tuple(places)
