"""`tinyml run`: the image on the virtual board, with held-out recordings or your own in its microphone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tinyml.cli.output import out, print_json
from tinyml.cli.session import HERE, Folder, Json, opened
from tinyml.cli.summary import check_fault, print_console, print_hot_spots, print_layers, print_simulation

NAME = "run"


def command(
    project: Folder = HERE,
    wav: Annotated[Path | None, typer.Option(help="A recording for the microphone instead of held-out clips.")] = None,
    json: Json = False,
) -> None:
    """Run the firmware image on the virtual board."""
    with opened(project) as p:
        run = p.listen(wav) if wav else p.run().simulated
    if json:
        print_json(run.summary())
    else:
        print_console(run)
        print_simulation(run)
        out.print()
        print_layers(run)
        print_hot_spots(run)
    check_fault(run)
