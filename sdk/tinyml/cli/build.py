"""`tinyml build`: the firmware image."""

from __future__ import annotations

from tinyml.cli.output import out, print_json, usage_bar
from tinyml.cli.session import HERE, Folder, Json, opened

NAME = "build"


def command(project: Folder = HERE, json: Json = False) -> None:
    """Compile and link the firmware; fails when it breaks a limit."""
    with opened(project) as p:
        image, board = p.build().image, p.board
    if json:
        print_json({"elf": image.elf, "ram_bytes": image.ram_bytes, "flash_bytes": image.flash_bytes})
        return
    if board.status != "native":
        out.print(usage_bar("RAM:", image.ram_bytes, board.ram_bytes))
        out.print(usage_bar("Flash:", image.flash_bytes, board.flash_bytes))
    out.print(str(image.elf))
