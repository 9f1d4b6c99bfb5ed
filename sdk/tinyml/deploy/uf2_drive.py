"""The USB drives that UF2 bootloaders show, and copying a file to one."""

from __future__ import annotations

import os
import string
import sys
from dataclasses import dataclass
from pathlib import Path

from tinyml.errors import DeviceError, Progress, no_progress

INFO_FILE = "INFO_UF2.TXT"
_CHUNK_BYTES = 64 * 512


@dataclass(frozen=True)
class Drive:
    """A mounted bootloader: the fields of its INFO_UF2.TXT ("" when a field is absent)."""

    path: Path
    model: str = ""
    board_id: str = ""
    softdevice: str = ""


def volumes() -> list[Path]:
    """Where removable drives are mounted on this system."""
    if sys.platform == "win32":
        # A and B are floppies: touching an empty one blocks.
        return [Path(f"{letter}:\\") for letter in string.ascii_uppercase[2:] if Path(f"{letter}:\\").exists()]
    if sys.platform == "darwin":
        return sorted(Path("/Volumes").iterdir())
    return _linux_mounts(Path("/proc/self/mounts").read_text())


def _linux_mounts(table: str) -> list[Path]:
    """Mount points of FAT file systems in the text of /proc/mounts, where blanks are octal escapes."""
    found = []
    for line in table.splitlines():
        fields = line.split()
        if len(fields) > 2 and fields[2] in ("vfat", "msdos", "fat", "fuseblk"):
            found.append(Path(fields[1].encode().decode("unicode_escape").encode("latin-1").decode()))
    return found


def read_drive(path: Path) -> Drive | None:
    """The bootloader mounted at `path`, or None when that is no UF2 drive."""
    try:
        text = (path / INFO_FILE).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    if not text.startswith("UF2 Bootloader"):
        return None
    pairs = (line.partition(":") for line in text.splitlines())
    fields = {key.strip().lower(): value.strip() for key, _, value in pairs}
    return Drive(path, fields.get("model", ""), fields.get("board-id", ""), fields.get("softdevice", ""))


def find_drives() -> list[Drive]:
    """Every UF2 bootloader that is mounted now."""
    return [drive for drive in map(read_drive, volumes()) if drive is not None]


def copy_to(drive: Drive, file: Path, progress: Progress = no_progress) -> int:
    """Copy `file` to the drive; the bootloader restarts into the image after its last block. Returns its size.

    The drive vanishes as soon as the bootloader has every block, often before the operating system has closed the
    file: an error after the last byte counts only while the drive is still there.

    Raises: DeviceError.
    """
    data = file.read_bytes()
    written = 0
    try:
        # Not under a temporary name: the drive is no file system, it flashes blocks as they arrive.
        with (drive.path / file.name).open("wb", buffering=0) as out:
            while written < len(data):
                written += out.write(data[written : written + _CHUNK_BYTES]) or 0
                progress("copying", written, len(data))
            os.fsync(out.fileno())
    except OSError as error:
        if written < len(data) or read_drive(drive.path) is not None:
            raise DeviceError(
                f"copying to `{drive.path}` failed after {written:,} of {len(data):,} bytes: {error.strerror}",
                hint="press reset twice quickly so that the drive appears again, then repeat the command",
            ) from error
    return len(data)
