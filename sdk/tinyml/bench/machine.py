"""Calls of single functions of a network's image on the virtual board: cycles, stack, cycles by layer."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from elftools.elf.elffile import ELFFile

from tinyml.board import Board
from tinyml.errors import DeviceError
from tinyml.sim import VirtualBoard, profile
from tinyml.sim.elf import Image
from tinyml.sim.processor import Halt

_CPACR, _FPU_ON = 0xE000ED88, 0xF << 20
_PAINT = 0xA5
_LONGEST_CYCLES = 4_000_000_000


@dataclass(frozen=True)
class Call:
    """One call: `cycles` at zero wait states from its first instruction to its return, bytes of stack, and what each
    layer took of it, by function."""

    cycles: int
    stack_bytes: int
    layers: Mapping[str, int]


class NetworkMachine:
    """The virtual board with an image of `build_image` in its memory, no start-up code, interrupts or sleep."""

    def __init__(self, board: Board, elf: Path, layers: Collection[str]) -> None:
        """`layers`: the functions whose cycles are told apart."""
        self._image = Image(elf)
        self._layers = profile.layer_functions(self._image, layers)
        self._board = VirtualBoard(board, layers={f.address: i for i, f in enumerate(self._layers, start=1)})
        self._board.program(self._image)
        with elf.open("rb") as file:
            for segment in ELFFile(file).iter_segments("PT_LOAD"):
                if segment["p_filesz"] and segment["p_vaddr"] != segment["p_paddr"]:
                    self._board.poke(segment["p_vaddr"], segment.data())
        self._board.reset()
        self._board.write(_CPACR, _FPU_ON.to_bytes(4, "little"))
        self._board.debugger_attached = True
        self._end = self._image.symbols["stop"] & ~1
        self._overhead = 0
        self._overhead = self.call("stop").cycles

    def write(self, symbol: str, data: bytes) -> None:
        """Memory at a symbol."""
        self._board.poke(self._image.symbols[symbol], data)

    def read(self, symbol: str, size_bytes: int) -> bytes:
        """Memory at a symbol."""
        return self._board.peek(self._image.symbols[symbol], size_bytes)

    def call(self, function: str) -> Call:
        """Run a function to its return. Raises: DeviceError when it does what silicon does not allow."""
        board, symbols = self._board, self._image.symbols
        free, top = -(-symbols["__free"] // 8) * 8, symbols["__ram_end"] & ~7
        board.poke(free, bytes([_PAINT]) * (top - free))
        board["sp"], board["lr"], board["pc"] = top, self._end | 1, symbols[function] & ~1
        before, began = self._counts(), board.now
        halt = board.run(board.now + _LONGEST_CYCLES)
        if halt is not Halt.BKPT:
            raise DeviceError(f"`{function}` of the network failed on the virtual board: {halt.value}")
        stack = board.peek(free, top - free)
        used = len(stack.lstrip(bytes([_PAINT])))
        return Call(board.now - began - self._overhead, used, self._since(before))

    def _counts(self) -> list[tuple[int, int]]:
        hook = self._board.hook
        return [(hook.layer_cycles[i], hook.layer_calls[i]) for i in range(1, len(self._layers) + 1)]

    def _since(self, before: list[tuple[int, int]]) -> dict[str, int]:
        """What each layer took since `before`."""
        found = {}
        for function, old, new in zip(self._layers, before, self._counts(), strict=True):
            if new[1] > old[1]:
                found[profile.layer_name(function.name)] = new[0] - old[0]
        return found
