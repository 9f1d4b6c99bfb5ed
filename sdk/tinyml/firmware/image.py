"""A built image and where its bytes go."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tinyml.board import Board
from tinyml.compiler.peak import Peak
from tinyml.errors import OverBudgetError, ProjectError
from tinyml.firmware.elf import Section, Symbol, read_sections, read_symbols

_BIGGEST = 16
_SOFT_FLOAT = re.compile(r"__aeabi_(f(add|sub|rsub|mul|div|2\w+|cmp\w+)|u?[il]2f)$")


@dataclass(frozen=True)
class Image:
    """A linked firmware (`hex` and the sizes are empty for a native program).

    `ram_bytes` covers stack, variables, DMA buffers and arena; `flash_bytes` what is programmed, initial values
    of variables included. `biggest` are the largest functions and objects.
    """

    elf: Path
    hex: Path | None
    sections: tuple[Section, ...]
    ram_bytes: int
    flash_bytes: int
    biggest: tuple[Symbol, ...]


def measure(elf: Path, hex: Path | None, board: Board) -> Image:
    """Read the sizes from the linked file."""
    sections = read_sections(elf, board)
    used = used_bytes(sections, board)
    code = board.regions["code"]
    ram = sum(size for name, size in used.items() if name != code)
    return Image(elf, hex, sections, ram, used[code], read_symbols(elf, board)[:_BIGGEST])


def used_bytes(sections: tuple[Section, ...], board: Board) -> dict[str, int]:
    """Bytes of every memory that an image takes, alignment gaps included."""
    used = {}
    for memory in board.memories:
        ends = [s.address + s.size_bytes for s in sections if s.memory == memory.name]
        used[memory.name] = max(ends, default=memory.origin) - memory.origin
    code = board.regions["code"]
    used[code] += sum(s.size_bytes for s in sections if s.loaded and s.memory != code)
    return used


def check_no_soft_float(elf: Path, board: Board) -> None:
    """Raises: ProjectError when single-precision arithmetic was compiled to library calls on a core with an FPU."""
    if not board.isa.fpu:
        return
    found = sorted({s.name for s in read_symbols(elf, board) if _SOFT_FLOAT.match(s.name)})
    if found:
        raise ProjectError(
            "the firmware does floating-point arithmetic in software", details=[", ".join(found)],
            hint=f"check the compiler flags of `{board.cpu}` in arch.toml: the FPU has to be named",
        )  # fmt: skip


def over_budget(name: str, elf: Path, board: Board, peak: Peak | None) -> OverBudgetError | None:
    """The error for an image that was linked with enlarged memories and is too large for the real ones; of RAM it says
    what fills the arena at its `peak`."""
    image = measure(elf, None, board)
    used = used_bytes(image.sections, board)
    for memory in board.memories:
        if used[memory.name] > memory.length_bytes:
            is_code = memory.name == board.regions["code"]
            return OverBudgetError(
                f"`{name}` does not fit `{board.name}`: {'flash' if is_code else 'RAM'} needs "
                f"{used[memory.name]:,} bytes, the board has {memory.length_bytes:,}",
                details=[_parts(image, memory.name, peak), _biggest(elf, board, memory.name),
                         *(peak.details if peak and not is_code else ())],
                hint=(f"{peak.advice}; " if peak and not is_code else "")
                + "run `tinyml search`, lower `model.width_mult`, or choose a larger board: `tinyml boards`",
            )  # fmt: skip
    return None


PARTS = {".arena": "arena", ".dma": "DMA buffers", ".stack": "stack", ".data": "initialised data", ".bss": "data",
          ".text": "code", ".rodata": "weights and tables", ".vectors": "vectors"}  # fmt: skip


def _parts(image: Image, memory: str, peak: Peak | None) -> str:
    """`arena 221,184 (peak at conv2d_3), stack 8,192, data 19,456`, the biggest first."""
    parts = []
    for section in sorted(image.sections, key=lambda s: -s.size_bytes):
        if section.memory == memory:
            where = f" (peak at {peak.step})" if section.name == ".arena" and peak else ""
            parts.append(f"{PARTS.get(section.name, section.name)} {section.size_bytes:,}{where}")
    return ", ".join(parts)


def _biggest(elf: Path, board: Board, memory: str) -> str:
    symbols = [s for s in read_symbols(elf, board) if s.memory == memory][:4]
    return "biggest: " + ", ".join(f"{s.name} {s.size_bytes:,}" for s in symbols)
