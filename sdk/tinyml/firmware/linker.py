"""The linker script of a board: its memories and regions, then the one list of sections."""

from __future__ import annotations

from tinyml.board import Board
from tinyml.resources import board_support_dir


def linker_script(board: Board, *, scale: int = 1) -> str:
    """The script as text. `scale` enlarges every memory: an image that does not fit is measured so.

    Origins stay what they are, so enlarged memories may overlap; such an image is never run.
    """
    lines = [f"/* {board.product}: from its board file */", "MEMORY", "{"]
    for memory in board.memories:
        access = "rx" if memory.name == board.regions["code"] else "rwx"
        lines.append(f"    {memory.name} ({access}) : ORIGIN = {memory.origin:#010x}, "
                     f"LENGTH = {memory.length_bytes * scale:#x} /* {memory.source} */")  # fmt: skip
    lines.append("}")
    text = (board_support_dir() / "linker" / "sections.ld").read_text(encoding="utf-8")
    for role, memory_name in board.regions.items():
        text = text.replace(f"REGION_{role.upper()}", memory_name)
    return "\n".join(lines) + "\n" + text.replace("STACK_BYTES", str(board.stack_bytes))
