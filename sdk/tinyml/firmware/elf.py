"""What a linked ELF file holds: sections, symbols by size, and the bytes that go to flash."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile

from tinyml.board import Board


@dataclass(frozen=True)
class Section:
    """A part of the image in the memory `memory`. `loaded`: its bytes, or initial values, are flashed."""

    name: str
    memory: str
    address: int
    size_bytes: int
    loaded: bool


@dataclass(frozen=True)
class Symbol:
    """A function or an object of the image."""

    name: str
    memory: str
    address: int
    size_bytes: int


def memory_at(board: Board, address: int) -> str:
    """The name of the memory that holds `address`: the one that starts last before it."""
    return max((m for m in board.memories if m.origin <= address), key=lambda m: m.origin).name


def read_sections(path: Path, board: Board) -> tuple[Section, ...]:
    """The sections that take memory, by address."""
    with path.open("rb") as file:
        found = [
            Section(s.name, memory_at(board, s["sh_addr"]), s["sh_addr"], s["sh_size"], s["sh_type"] != "SHT_NOBITS")
            for s in ELFFile(file).iter_sections()
            if s["sh_flags"] & SH_FLAGS.SHF_ALLOC and s["sh_size"]
        ]
    return tuple(sorted(found, key=lambda s: s.address))


def read_symbols(path: Path, board: Board) -> tuple[Symbol, ...]:
    """Functions and objects with a size, the biggest first."""
    with path.open("rb") as file:
        table = ELFFile(file).get_section_by_name(".symtab")
        found = {
            (s.name, s["st_value"] & ~1, s["st_size"])
            for s in table.iter_symbols()
            if s["st_info"]["type"] in ("STT_FUNC", "STT_OBJECT") and s["st_size"]
        }
    symbols = [Symbol(name, memory_at(board, address), address, size) for name, address, size in found]
    return tuple(sorted(symbols, key=lambda s: (-s.size_bytes, s.name, s.address)))


def entry_point(path: Path) -> int:
    """The address that the image starts at (bit 0 set for Thumb code)."""
    with path.open("rb") as file:
        return ELFFile(file)["e_entry"]
