"""Intel HEX: the text form of an image that most flash programs take.

Source: Intel Hexadecimal Object File Format Specification, revision A, 1988.
"""

from __future__ import annotations

from collections.abc import Iterable

_DATA, _END, _UPPER_ADDRESS, _START_ADDRESS = 0, 1, 4, 5
_BYTES_PER_RECORD = 16


def intel_hex(segments: Iterable[tuple[int, bytes]], entry: int) -> str:
    """The file of an image: (address, bytes) pieces in ascending order, and where it starts."""
    lines, upper = [], None
    for start, data in segments:
        offset = 0
        while offset < len(data):
            address = start + offset
            if address >> 16 != upper:
                upper = address >> 16
                lines.append(_record(_UPPER_ADDRESS, 0, upper.to_bytes(2, "big")))
            # A record must not run into the next 64 KiB.
            count = min(_BYTES_PER_RECORD, 0x10000 - (address & 0xFFFF))
            lines.append(_record(_DATA, address & 0xFFFF, data[offset : offset + count]))
            offset += count
    lines.append(_record(_START_ADDRESS, 0, entry.to_bytes(4, "big")))
    lines.append(_record(_END, 0, b""))
    return "\n".join(lines) + "\n"


def _record(kind: int, address: int, data: bytes) -> str:
    body = bytes([len(data), address >> 8, address & 0xFF, kind]) + data
    return f":{(body + bytes([-sum(body) & 0xFF])).hex().upper()}"
