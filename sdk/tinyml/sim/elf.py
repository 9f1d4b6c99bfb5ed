"""The parts of a firmware image that the virtual board needs: what to load, symbols, source lines."""

from __future__ import annotations

import bisect
import io
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from elftools.common.exceptions import ELFError
from elftools.dwarf.callframe import FDE
from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile

from tinyml.errors import ProjectError


@dataclass(frozen=True)
class Symbol:
    """A function or an object; a function's address has its Thumb bit removed."""

    name: str
    address: int
    size_bytes: int


@dataclass(frozen=True)
class Section:
    """A section that takes room on the device; `loaded` ones also have contents in flash."""

    name: str
    address: int
    size_bytes: int
    writable: bool
    executable: bool
    loaded: bool


@dataclass(frozen=True)
class Place:
    """A position in the source; `file` and `line` are None where the image has no debug information."""

    function: str
    file: str | None
    line: int | None

    def __str__(self) -> str:
        return self.function if self.file is None else f"{self.function} ({self.file}:{self.line})"


class Image:
    """An ELF file of a Cortex-M firmware.

    Raises: ProjectError when the file is absent, damaged or not a 32-bit Arm executable.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._elf = ELFFile(io.BytesIO(path.read_bytes()))
            if self._elf.elfclass != 32 or self._elf["e_machine"] != "EM_ARM":
                raise ELFError("it is not a 32-bit Arm executable")
            self.segments = tuple(
                (s["p_paddr"], s.data()) for s in self._elf.iter_segments("PT_LOAD") if s["p_filesz"]
            )
            self._read_symbols()
        except (OSError, ELFError) as error:
            raise ProjectError(f"{path} is no firmware image: {error}", hint="build it with `tinyml build`") from error

    def _read_symbols(self) -> None:
        self.symbols: dict[str, int] = {}
        functions: dict[int, Symbol] = {}
        table = self._elf.get_section_by_name(".symtab")
        for symbol in table.iter_symbols() if table else ():
            if not symbol.name or symbol.name.startswith("$") or symbol["st_shndx"] == "SHN_UNDEF":
                continue
            self.symbols.setdefault(symbol.name, symbol["st_value"])
            if symbol["st_info"]["type"] == "STT_FUNC":
                address = symbol["st_value"] & ~1
                known = functions.get(address)
                # Of several names for one address (weak handlers), the first in the alphabet is taken every time.
                if known is None or symbol.name < known.name:
                    functions[address] = Symbol(symbol.name, address, symbol["st_size"])
        self.functions = tuple(functions[a] for a in sorted(functions))
        self._starts = [f.address for f in self.functions]

    def function_at(self, address: int) -> Symbol | None:
        """The function that holds `address`, or None."""
        index = bisect.bisect_right(self._starts, address) - 1
        if index < 0:
            return None
        found = self.functions[index]
        return found if found.size_bytes == 0 or address < found.address + found.size_bytes else None

    @cached_property
    def sections(self) -> tuple[Section, ...]:
        return tuple(
            Section(
                s.name, s["sh_addr"], s["sh_size"], bool(s["sh_flags"] & SH_FLAGS.SHF_WRITE),
                bool(s["sh_flags"] & SH_FLAGS.SHF_EXECINSTR), s["sh_type"] != "SHT_NOBITS",
            )
            for s in self._elf.iter_sections()
            if s["sh_flags"] & SH_FLAGS.SHF_ALLOC and s["sh_size"]
        )  # fmt: skip

    @cached_property
    def _lines(self) -> list[tuple[int, int, str, int]]:
        """(start, end, file, line) of every statement, by address."""
        rows: list[tuple[int, int, str, int]] = []
        if not self._elf.has_dwarf_info():
            return rows
        dwarf = self._elf.get_dwarf_info()
        for unit in dwarf.iter_CUs():
            program = dwarf.line_program_for_CU(unit)
            if program is None:
                continue
            names = _file_names(program)
            previous = None
            for entry in program.get_entries():
                state = entry.state
                if state is None:
                    continue
                if previous is not None and state.address > previous.address:
                    rows.append((previous.address, state.address, names.get(previous.file, "?"), previous.line))
                previous = None if state.end_sequence else state
        rows.sort()
        return rows

    def place(self, address: int) -> Place:
        """Function, file and line of an instruction."""
        function = self.function_at(address)
        name = function.name if function else f"0x{address:08x}"
        index = bisect.bisect_right(self._lines, (address, 1 << 32, "", 0)) - 1
        if function is None or index < 0 or address >= self._lines[index][1]:
            return Place(name, None, None)
        return Place(name, self._lines[index][2], self._lines[index][3])

    @cached_property
    def frames(self) -> list[tuple[int, int, FDE]]:
        """(start, end, frame description) from .debug_frame, by address."""
        dwarf = self._elf.get_dwarf_info() if self._elf.has_dwarf_info() else None
        if dwarf is None or not dwarf.has_CFI():
            return []
        found = [
            (e["initial_location"], e["initial_location"] + e["address_range"], e)
            for e in dwarf.CFI_entries()
            if isinstance(e, FDE)
        ]
        return sorted(found, key=lambda row: row[:2])


def _file_names(program: object) -> dict[int, str]:
    """File number -> path, for version 5 tables (from 0) and older ones (from 1)."""
    header = program.header  # type: ignore[attr-defined]
    directories = [d.decode(errors="replace") for d in header["include_directory"]]
    modern = header["version"] >= 5
    names = {}
    for number, entry in enumerate(header["file_entry"], start=0 if modern else 1):
        index = entry.dir_index if modern else entry.dir_index - 1
        folder = directories[index] if 0 <= index < len(directories) else ""
        name = entry.name.decode(errors="replace")
        names[number] = name if not folder or name.startswith("/") else f"{folder}/{name}"
    return names
