"""What of an ELF file has to be in flash, as the programs that flash it see it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile

from tinyml.errors import ProjectError


@dataclass(frozen=True)
class Segment:
    """`data` belongs at physical `address` (for initialised variables that is their copy in flash)."""

    address: int
    data: bytes

    @property
    def end(self) -> int:
        return self.address + len(self.data)


def load_segments(elf: Path) -> tuple[Segment, ...]:
    """The non-empty LOAD segments of `elf`, by ascending address.

    Raises: ProjectError when the file is absent, not ELF, has nothing to load or segments that overlap.
    """
    try:
        with elf.open("rb") as file:
            headers = [header for header in ELFFile(file).iter_segments("PT_LOAD") if header["p_filesz"]]
            found = [Segment(header["p_paddr"], header.data()) for header in headers]
            if any(len(segment.data) != header["p_filesz"] for segment, header in zip(found, headers, strict=True)):
                raise ELFError("it is cut short")
    except FileNotFoundError:
        raise ProjectError(f"there is no firmware image at `{elf}`", hint="run `tinyml build`") from None
    except ELFError as error:
        raise ProjectError(f"`{elf}` is not an ELF file: {error}", hint="run `tinyml build` again") from error
    found.sort(key=lambda segment: segment.address)
    if not found:
        raise ProjectError(f"`{elf}` holds nothing to flash", hint="run `tinyml build` again")
    for before, after in zip(found, found[1:], strict=False):
        if before.end > after.address:
            raise ProjectError(f"segments of `{elf}` overlap at {after.address:#x}", hint="look at the linker script")
    return tuple(found)
