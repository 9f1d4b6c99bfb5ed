"""A board and ELF files made by hand, so that the deploy tests need neither board files nor a compiler."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tinyml.board import Board, Isa, Memory

NRF_DEPLOY = {
    "runners": ["pyocd", "jlink", "uf2", "virtual"],
    "pyocd_target": "nrf52840",
    "uf2_family": 0xADA52840,
    "uf2_origin": 0x1000,
    "uf2_end": 0xAD000,
    "uf2_board_id": "nRF52840",
}


def make_board(**deploy: Any) -> Board:
    """An nRF52840 whose `[deploy]` is `NRF_DEPLOY` with `deploy` on top; None removes a key."""
    merged = {key: value for key, value in (NRF_DEPLOY | deploy).items() if value is not None}
    return Board(
        name="nrf52840", product="nRF52840-DK", vendor="Nordic", soc="nrf52840", status="simulated",
        isa=Isa("armv7em", dsp=True, fpu=True), cpu="cortex-m4", cpu_hz=64_000_000, svd="nrf52840.svd", time_factor=1.3,
        core_time=None, has_firmware=True,
        memories=(Memory("flash", 0, 1 << 20, False, "PS"), Memory("ram", 0x2000_0000, 1 << 18, True, "PS")),
        regions={"code": "flash", "data": "ram"}, stack_bytes=4096, features={"microphone": {"rate_hz": 16000}},
        deploy=merged, c_sources=(), c_include_dirs=(), c_defines=(),
    )  # fmt: skip


@dataclass(frozen=True)
class ElfImage:
    """What the runners take of a firmware build."""

    elf: Path


def make_elf(path: Path, *segments: tuple[int, bytes], bss_bytes: int = 64) -> ElfImage:
    """Write a 32-bit ARM ELF with one LOAD segment per (physical address, data), and one of zeros for .bss.

    Virtual addresses are elsewhere on purpose: what counts for flashing is the physical one.
    """
    count = len(segments) + 1
    offset = 52 + 32 * count
    headers, body = [], b""
    for address, data in segments:
        headers.append(
            struct.pack("<8I", 1, offset + len(body), address + 0x1000_0000, address, len(data), len(data), 5, 4)
        )
        body += data
    headers.append(struct.pack("<8I", 1, offset + len(body), 0x2000_0000, 0x2000_0000, 0, bss_bytes, 6, 4))
    ident = b"\x7fELF\x01\x01\x01" + bytes(9)
    header = ident + struct.pack("<2H5I6H", 2, 40, 1, 0, 52, 0, 0, 52, 32, count, 40, 0, 0)
    path.write_bytes(header + b"".join(headers) + body)
    return ElfImage(path)
