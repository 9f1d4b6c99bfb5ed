"""`tinyml run`: the image on the virtual board, with held-out recordings or your own in its microphone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tinyml.cli.output import log, out, print_json
from tinyml.cli.session import HERE, Folder, Json, opened
from tinyml.cli.summary import print_simulation
from tinyml.errors import DeviceError

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
        out.print(run.result.console, end="", markup=False)
        log.print()
        print_simulation(run)
    if run.result.fault:
        raise DeviceError(f"the firmware failed on the virtual board: {run.result.fault.message}",
                          details=run.result.fault.describe())  # fmt: skip
