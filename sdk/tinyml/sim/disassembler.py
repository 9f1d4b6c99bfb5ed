"""Thumb code as instructions with operands: the only module that imports capstone (an optional extra)."""

from __future__ import annotations

from tinyml.errors import missing_extra

try:
    import capstone
    from capstone import CsInsn, arm
except ImportError as _error:
    raise missing_extra("sim", "capstone") from _error

__all__ = ["CsInsn", "Disassembler", "arm"]


class Disassembler:
    """Decodes code of a Cortex-M4."""

    def __init__(self) -> None:
        self._engine = capstone.Cs(capstone.CS_ARCH_ARM, capstone.CS_MODE_THUMB | capstone.CS_MODE_MCLASS)
        self._engine.detail = True

    def block(self, code: bytes, address: int) -> list[CsInsn]:
        """The instructions of `code`; bytes that are none end the list early."""
        return list(self._engine.disasm(code, address))
