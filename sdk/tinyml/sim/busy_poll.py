"""Notices that the firmware reads one register again and again and always finds the same."""

from __future__ import annotations

POLLS_BEFORE_SKIP = 32


class BusyPoll:
    """Counts equal reads in a row; a write or another register starts anew."""

    def __init__(self) -> None:
        self._last = (0, 0)
        self._count = 0
        self.address: int | None = None  # the register that is being polled

    def note_read(self, address: int, value: int) -> bool:
        """A register was read; True when this is a busy poll."""
        if (address, value) != self._last:
            self._last, self._count = (address, value), 0
        self._count += 1
        if self._count >= POLLS_BEFORE_SKIP:
            self.address = address
        return self.address is not None

    def restart(self) -> None:
        """Something else happened."""
        self._count = 0

    def take(self) -> int | None:
        """The polled register, once."""
        address, self.address = self.address, None
        return address
