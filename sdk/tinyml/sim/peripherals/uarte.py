"""UARTE0: the console's transmitter, with EasyDMA from RAM. Nothing is ever received.

Source: nRF52840 Product Specification v1.7, section 6.34. A buffer is fetched byte by byte while it is sent, so a
driver that changes it before ENDTX corrupts its output here as it does on silicon.
"""

from __future__ import annotations

from tinyml.sim.faults import BusError
from tinyml.sim.peripherals.peripheral import Peripheral, Register

_ENABLED = 8
_SLICE_BYTES = 8


class Uarte0(Peripheral):
    """Transmitter at 10 bits a byte; the receiver hears nothing."""

    name = "UARTE0"
    base = 0x40002000
    irq = 2
    has_inten = True
    tasks = {"STARTRX": 0x000, "STOPRX": 0x004, "STARTTX": 0x008, "STOPTX": 0x00C, "FLUSHRX": 0x02C}
    events = {
        "CTS": 0x100, "NCTS": 0x104, "RXDRDY": 0x108, "ENDRX": 0x110, "TXDRDY": 0x11C, "ENDTX": 0x120,
        "ERROR": 0x124, "RXTO": 0x144, "RXSTARTED": 0x14C, "TXSTARTED": 0x150, "TXSTOPPED": 0x158,
    }  # fmt: skip
    registers = (
        Register("SHORTS", 0x200), Register("ERRORSRC", 0x480), Register("ENABLE", 0x500),
        Register("PSEL.RTS", 0x508, 0xFFFFFFFF), Register("PSEL.TXD", 0x50C, 0xFFFFFFFF),
        Register("PSEL.CTS", 0x510, 0xFFFFFFFF), Register("PSEL.RXD", 0x514, 0xFFFFFFFF),
        Register("BAUDRATE", 0x524, 0x04000000), Register("RXD.PTR", 0x534), Register("RXD.MAXCNT", 0x538),
        Register("RXD.AMOUNT", 0x53C, access="r"), Register("TXD.PTR", 0x544), Register("TXD.MAXCNT", 0x548),
        Register("TXD.AMOUNT", 0x54C, access="r"), Register("CONFIG", 0x56C),
    )  # fmt: skip

    def reset(self) -> None:
        super().reset()
        self._generation = 0
        self._sending = False

    def _cycle_of(self, sent: int) -> int:
        """When `sent` bytes of this buffer have left.

        BAUDRATE is about the rate x 2^32 / 16 MHz; what results is 16 MHz divided by a whole number, which agrees
        with the actual rates that the SVD states for the documented settings.
        """
        divider = (1 << 32) // self["BAUDRATE"]
        return self._start + sent * 10 * divider * self.machine.cpu_hz // 16_000_000

    def task_starttx(self) -> None:
        if self["ENABLE"] & 0xF != _ENABLED:
            raise BusError("usage fault", "UARTE0 started while ENABLE is not 8")
        if self["BAUDRATE"] == 0 or self["PSEL.TXD"] >> 31:
            raise BusError("usage fault", "UARTE0 started without a baud rate or a TXD pin")
        self._generation += 1
        self._start = self.machine.now
        self._buffer, self._length, self._sent = self["TXD.PTR"], self["TXD.MAXCNT"] & 0xFFFF, 0
        self.machine.dma_read(self.name, self._buffer, self._length)  # a wrong address fails here, at the driver's line
        self._sending = True
        self.raise_event("TXSTARTED")
        self._schedule()

    def _schedule(self) -> None:
        count = min(_SLICE_BYTES, self._length - self._sent)
        generation = self._generation

        def leave() -> None:
            if generation == self._generation:
                self._send(count)

        self.machine.at(self._cycle_of(self._sent + count), leave)

    def _send(self, count: int) -> None:
        data = self.machine.dma_read(self.name, self._buffer + self._sent, count)
        self._sent += count
        if data:
            self.machine.trace.console(self.machine.now, data)
            self.raise_event("TXDRDY")
        if self._sent < self._length:
            self._schedule()
            return
        self._sending = False
        self["TXD.AMOUNT"] = self._length
        self.machine.trace.dma(self.machine.now, self.name, self._buffer, self._length)
        self.raise_event("ENDTX")

    def task_stoptx(self) -> None:
        self._generation += 1
        if self._sending:
            self._sending = False
            self["TXD.AMOUNT"] = self._sent
            self.raise_event("ENDTX")
        self.raise_event("TXSTOPPED")

    def task_startrx(self) -> None:
        self.raise_event("RXSTARTED")

    def task_stoprx(self) -> None:
        self.raise_event("RXTO")

    def task_flushrx(self) -> None:
        self.raise_event("ENDRX")
