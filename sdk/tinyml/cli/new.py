"""`tinyml new TEMPLATE --board NAME [DIR]`: a project folder that already works."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tinyml.cli.output import log, out, print_json
from tinyml.cli.session import Json
from tinyml.template import create, templates

NAME = "new"


def command(
    template: Annotated[str, typer.Argument(help=f"One of: {', '.join(templates())}.")],
    folder: Annotated[Path | None, typer.Argument(metavar="[DIR]", help="Default: the template's name.")] = None,
    board: Annotated[str, typer.Option(help="A name that `tinyml boards` lists.")] = "nrf52840",
    words: Annotated[str | None, typer.Option(help='Words to hear, e.g. "on,off,stop".')] = None,
    json: Json = False,
) -> None:
    """Make a project folder from a template."""
    chosen = [w.strip() for w in words.split(",") if w.strip()] if words else None
    made = create(template, folder or Path(template), board=board, words=chosen)
    if json:
        print_json({"folder": made.resolve(), "template": template, "board": board})
        return
    out.print(f"made [bold]{made}[/] from the template {template} for {board}")
    log.print(f"\n[bold cyan]next:[/] cd {made} && tinyml deploy --to virtual")
