"""What the outside world sees of the firmware, with times; its hash tells whether two runs were the same."""

from __future__ import annotations

import hashlib
import struct


class Trace:
    """Console bytes, pin levels and DMA transfers, each with its cycle."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self._console = bytearray()
        self.gpio: list[tuple[int, int, int]] = []

    def console(self, cycle: int, data: bytes) -> None:
        """Bytes that have left the console's transmitter."""
        self._console += data
        self._digest.update(struct.pack("<cQI", b"c", cycle, len(data)) + data)

    def pin(self, cycle: int, pin: int, level: int) -> None:
        """A pin that changed its level; P1's pins count from 32."""
        self.gpio.append((cycle, pin, level))
        self._digest.update(struct.pack("<cQIB", b"g", cycle, pin, level))

    def dma(self, cycle: int, master: str, address: int, size_bytes: int) -> None:
        """A finished DMA buffer."""
        self._digest.update(struct.pack("<cQII", b"d", cycle, address, size_bytes) + master.encode())

    @property
    def console_text(self) -> str:
        return self._console.decode("utf-8", errors="replace")

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()
