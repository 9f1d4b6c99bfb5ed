"""`tinyml boards`: the boards, what they have and how far each is proved."""

from __future__ import annotations

from tinyml.board import Board, list_boards, load_board
from tinyml.cli.output import print_json, print_table
from tinyml.cli.session import Json

NAME = "boards"


def command(json: Json = False) -> None:
    """List the boards that tinyml builds for."""
    boards = [load_board(name) for name in list_boards()]
    if json:
        keys = ("name", "product", "cpu", "cpu_hz", "ram_bytes", "arena_bytes", "flash_bytes", "status", "has_firmware")
        print_json([{key: getattr(b, key) for key in keys} for b in boards])
        return
    rows = [_row(board) for board in boards]
    print_table("", ["board", "product", "cpu", "clock", "RAM", "for the arena", "flash", "status"], rows)


def _row(b: Board) -> list[str]:
    if b.status == "native":
        return [b.name, b.product, "", "", "", "", "", b.status]
    kibibytes = [f"{n // 1024} KiB" for n in (b.ram_bytes, b.arena_bytes, b.flash_bytes)]
    return [b.name, b.product, b.cpu, f"{b.cpu_hz / 1e6:g} MHz", *kibibytes,
            b.status if b.has_firmware else f"{b.status}, no firmware"]  # fmt: skip
