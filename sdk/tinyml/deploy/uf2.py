"""The UF2 file format: an image as self-contained blocks of 512 bytes that a bootloader's USB drive accepts.

Source: USB Flashing Format (UF2), github.com/microsoft/uf2, README "File format".
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

from tinyml.firmware.segments import Segment

BLOCK_BYTES = 512
PAYLOAD_BYTES = 256
MAGIC_START_0, MAGIC_START_1, MAGIC_END = 0x0A324655, 0x9E5D5157, 0x0AB16F30
FLAG_FAMILY_ID = 0x2000
ERASED = b"\xff"

_HEADER = struct.Struct("<8I")
_DATA_BYTES = BLOCK_BYTES - _HEADER.size - 4


def pages(segments: Iterable[Segment]) -> dict[int, bytes]:
    """The image cut at multiples of 256 bytes: address -> 256 bytes, what no segment covers as erased flash.

    Bootloaders accept only whole, aligned payloads, so two segments in one page have to become one block.
    """
    cut: dict[int, bytearray] = {}
    for segment in segments:
        for offset, value in _chunks(segment):
            address = segment.address + offset
            page = cut.setdefault(address - address % PAYLOAD_BYTES, bytearray(ERASED * PAYLOAD_BYTES))
            start = address % PAYLOAD_BYTES
            page[start : start + len(value)] = value
    return {address: bytes(cut[address]) for address in sorted(cut)}


def _chunks(segment: Segment) -> Iterable[tuple[int, bytes]]:
    """(offset, bytes) pieces of a segment that do not cross a page."""
    offset = 0
    while offset < len(segment.data):
        room = PAYLOAD_BYTES - (segment.address + offset) % PAYLOAD_BYTES
        yield offset, segment.data[offset : offset + room]
        offset += room


def encode(segments: Iterable[Segment], family_id: int) -> bytes:
    """The UF2 file of an image: blocks in ascending address order, numbered from 0, all of `family_id`."""
    cut = pages(segments)
    blocks = []
    for number, (address, payload) in enumerate(cut.items()):
        header = _HEADER.pack(
            MAGIC_START_0, MAGIC_START_1, FLAG_FAMILY_ID, address, PAYLOAD_BYTES, number, len(cut), family_id
        )
        blocks.append(header + payload.ljust(_DATA_BYTES, ERASED) + struct.pack("<I", MAGIC_END))
    return b"".join(blocks)
