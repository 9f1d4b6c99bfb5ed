"""Exception entry and return: what the processor pushes and pops.

Source: Armv7-M Architecture Reference Manual (DDI 0403E), B1.5.6 to B1.5.8. The floating-point registers are pushed at
once where the silicon may do it lazily; the frame is the same.
"""

from __future__ import annotations

from dataclasses import dataclass

from tinyml.sim.cpu import Core

_BASIC = ("r0", "r1", "r2", "r3", "r12", "lr")
_FP = tuple(f"s{i}" for i in range(16))
BASIC_BYTES, FP_BYTES = 0x20, 0x68
_ALIGNED_BIT = 1 << 9
_FLAGS_AND_STATE = 0xF80F0000 | 0x0600FC00  # N Z C V Q, GE, and the progress of an IT block
_CONTROL_SPSEL, _CONTROL_FPCA = 2, 4


@dataclass(frozen=True)
class Entry:
    """How an exception entry went: which stack took the frame and where, and whether it could be written."""

    on_main_stack: bool
    before: int
    frame: int
    written: bool


def enter(core: Core, number: int, return_address: int, handler: int, interrupted: int) -> Entry:
    """Push a frame and start the handler at `handler`. `interrupted`: exception that ran before, 0 for none."""
    control = core["control"]
    fp = bool(control & _CONTROL_FPCA)
    on_process_stack = bool(control & _CONTROL_SPSEL)
    sp = core["sp"]
    frame = (sp - (FP_BYTES if fp else BASIC_BYTES)) & ~7 & 0xFFFFFFFF
    xpsr = core["xpsr"] & (_FLAGS_AND_STATE & ~_ALIGNED_BIT) | 1 << 24 | interrupted
    words = [core[name] for name in _BASIC] + [return_address, xpsr | (sp & 4) << 7]
    if fp:
        words += [core[name] for name in _FP] + [core["fpscr"], 0]
    try:
        core.write(frame, b"".join(w.to_bytes(4, "little") for w in words))
        written = True
    except ValueError:
        written = False
    core["sp"] = frame
    core["control"] = control & ~(_CONTROL_FPCA | _CONTROL_SPSEL)  # the main stack from here on
    core["xpsr"] = xpsr & ~0x0600FDFF | number
    core["lr"] = (0xFFFFFFF1 if interrupted else 0xFFFFFFFD if on_process_stack else 0xFFFFFFF9) & ~(fp << 4)
    core.jump(handler & ~1)
    return Entry(not on_process_stack, sp, frame, written)


def leave(core: Core, exc_return: int) -> int | None:
    """Pop the frame that `exc_return` names; the exception number that continues, None when it is no such value."""
    if exc_return & 0xFFFFFFEF not in (0xFFFFFFE1, 0xFFFFFFE9, 0xFFFFFFED):
        return None
    to_thread, process_stack, fp = bool(exc_return & 8), bool(exc_return & 4), not exc_return & 0x10
    frame = core["psp"] if process_stack else core["msp"]
    size = FP_BYTES if fp else BASIC_BYTES
    try:
        data = core.read(frame, size)
    except ValueError:
        return None
    words = [int.from_bytes(data[i : i + 4], "little") for i in range(0, size, 4)]
    xpsr = words[7]
    number = xpsr & 0x1FF
    if to_thread != (number == 0):
        return None
    core["xpsr"] = xpsr & _FLAGS_AND_STATE & ~_ALIGNED_BIT | 1 << 24 | number
    if to_thread:
        control = core["control"] & ~(_CONTROL_SPSEL | _CONTROL_FPCA)
        core["control"] = control | process_stack << 1 | fp << 2
    for name, value in zip(_BASIC, words, strict=False):
        core[name] = value
    if fp:
        for name, value in zip((*_FP, "fpscr"), words[8:], strict=False):
            core[name] = value
    core["sp"] = frame + size + (4 if xpsr & _ALIGNED_BIT else 0)
    core.jump(words[6] & ~1)
    return number
