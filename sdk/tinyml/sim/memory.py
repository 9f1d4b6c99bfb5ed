"""Sizes of an image, and how deep its stack grew."""

from __future__ import annotations

from dataclasses import dataclass

from tinyml.board import Board
from tinyml.sim.board_machine import VirtualBoard
from tinyml.sim.elf import Image

_PAINT = 0xA5


@dataclass(frozen=True)
class Stack:
    """The range of the stack. `limited`: the image states it (`__stack_limit`), so an overrun can be noticed."""

    limit: int
    top: int
    limited: bool

    @property
    def size_bytes(self) -> int:
        return self.top - self.limit


def stack_of(image: Image, board: Board) -> Stack:
    """From the linker's symbols, else the board's size below the initial stack pointer."""
    symbols = image.symbols
    if "__stack_limit" in symbols and "__stack_top" in symbols:
        return Stack(symbols["__stack_limit"], symbols["__stack_top"], True)
    first = min(image.segments)[1]
    top = int.from_bytes(first[:4], "little")
    return Stack(top - board.stack_bytes, top, False)


def paint(machine: VirtualBoard, stack: Stack) -> None:
    """Fill the stack with a pattern."""
    machine.poke(stack.limit, bytes([_PAINT]) * stack.size_bytes)


def high_water_bytes(machine: VirtualBoard, stack: Stack) -> int:
    """How much of the painted stack was written."""
    untouched = machine.peek(stack.limit, stack.size_bytes)
    return stack.size_bytes - (len(untouched) - len(untouched.lstrip(bytes([_PAINT]))))


def ram_static_bytes(image: Image, board: Board, stack: Stack) -> int:
    """Bytes of variables and buffers in RAM, without the stack."""
    code = board.memory(board.regions["code"])
    total = 0
    for section in image.sections:
        if code.origin <= section.address < code.origin + code.length_bytes:
            continue
        end = section.address + section.size_bytes
        total += section.size_bytes - max(0, min(end, stack.top) - max(section.address, stack.limit))
    return total


def flash_bytes(image: Image) -> int:
    """Bytes that are programmed."""
    return sum(len(data) for _, data in image.segments)
