"""What is read from ELF files for flashing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tinyml.errors import ProjectError
from tinyml.firmware.segments import Segment, load_segments

from .cases import make_elf


def test_physical_addresses_count_and_bss_is_left_out(tmp_path: Path) -> None:
    image = make_elf(tmp_path / "app.elf", (0x2000, b"data"), (0x1000, b"code"))
    assert load_segments(image.elf) == (Segment(0x1000, b"code"), Segment(0x2000, b"data"))


@pytest.mark.parametrize(
    ("content", "says"), [(b"", "not an ELF"), (b"\x7fELF", "not an ELF"), (b"MZ" * 400, "not an ELF")]
)
def test_files_that_are_no_elf(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "app.elf"
    path.write_bytes(content)
    with pytest.raises(ProjectError, match=says):
        load_segments(path)


def test_a_missing_file_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(ProjectError) as error:
        load_segments(tmp_path / "app.elf")
    assert "tinyml build" in error.value.hint


def test_a_truncated_elf_is_refused(tmp_path: Path) -> None:
    image = make_elf(tmp_path / "app.elf", (0x1000, bytes(1000)))
    image.elf.write_bytes(image.elf.read_bytes()[:-500])
    with pytest.raises(ProjectError):
        load_segments(image.elf)


def test_overlapping_segments_are_refused(tmp_path: Path) -> None:
    image = make_elf(tmp_path / "app.elf", (0x1000, bytes(64)), (0x1020, bytes(64)))
    with pytest.raises(ProjectError, match="overlap at 0x1020"):
        load_segments(image.elf)


def test_an_elf_with_nothing_to_flash_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="nothing to flash"):
        load_segments(make_elf(tmp_path / "app.elf").elf)
