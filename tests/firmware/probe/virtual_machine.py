"""The virtual nRF52840 as the chip behind the probe."""

from __future__ import annotations

from tinyml.errors import DeviceError
from tinyml.sim import VirtualBoard
from tinyml.sim.processor import Halt

from .machine import BusError, Stop

_CYCLES_PER_INSTRUCTION = 2
_NAMES = {**{i: f"r{i}" for i in range(13)}, 13: "sp", 14: "lr", 15: "pc", 16: "xpsr", 17: "msp", 18: "psp"}
_COMBINED = ("primask", "basepri", "faultmask", "control")  # bytes 0 to 3 of register 20


class VirtualMachine:
    """`Machine` over a `VirtualBoard`; flash obeys the board's own NVMC."""

    def __init__(self, board: VirtualBoard) -> None:
        self.board = board
        board.debugger_attached = True
        self.reset()

    def read(self, address: int, size: int) -> bytes:
        try:
            return self.board.read(address, size)
        except DeviceError as error:
            raise BusError(error.message) from error

    def write(self, address: int, data: bytes) -> None:
        try:
            self.board.write(address, data)
        except DeviceError as error:
            raise BusError(error.message) from error

    def register(self, number: int) -> int:
        if number == 20:
            return sum(self.board[name] << 8 * i for i, name in enumerate(_COMBINED))
        return self.board[_NAMES[number]] & 0xFFFF_FFFF

    def set_register(self, number: int, value: int) -> None:
        if number == 20:
            for i, name in enumerate(_COMBINED):
                self.board[name] = value >> 8 * i & 0xFF
        else:
            self.board[_NAMES[number]] = value
            self._locked_up = False

    def run(self, instructions: int) -> Stop:
        if self._locked_up:
            return "lockup"
        halt = self.board.run(self.board.now + _CYCLES_PER_INSTRUCTION * instructions)
        if halt is Halt.RESET:
            self.board.reset()
        if halt in (Halt.BKPT, Halt.BREAKPOINT):
            return "breakpoint"
        self._locked_up = halt is Halt.FAULT
        return "lockup" if self._locked_up else "running"

    def reset(self) -> None:
        self.board.reset()
        # Blank flash: there is nothing to fetch at the address in its vectors, not even a fault handler.
        self._locked_up = self.board["pc"] == 0xFFFF_FFFE

    def erase_all(self) -> None:
        flash = self.board.board.memory(self.board.board.regions["code"])
        ram = self.board.board.memory(self.board.board.regions["data"])
        self.board.poke(flash.origin, b"\xff" * flash.length_bytes)
        self.board.poke(ram.origin, bytes(ram.length_bytes))
        self.board.nvmc._uicr.erase()
