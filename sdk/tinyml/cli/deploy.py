"""`tinyml deploy`: run whatever is stale and flash."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tinyml.cli.output import log, out, print_json
from tinyml.cli.session import HERE, Folder, Json, opened
from tinyml.cli.summary import print_simulation
from tinyml.errors import DeviceError

NAME = "deploy"


def command(
    project: Folder = HERE,
    to: Annotated[str | None, typer.Option(help="virtual, pyocd or uf2. Default: the board's own order.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be done.")] = False,
    allow_unlicensed: Annotated[bool, typer.Option(help="Ship clips without a licence.")] = False,
    drive: Annotated[Path | None, typer.Option(help="uf2: the mounted drive to copy to.")] = None,
    uid: Annotated[str | None, typer.Option(help="pyocd: the probe to use, when several are attached.")] = None,
    json: Json = False,
) -> None:
    """Bring the project up to date and put it on a board (or the virtual one)."""
    with opened(project) as p:
        result = p.deploy(to=to, allow_unlicensed=allow_unlicensed, dry_run=dry_run, drive=drive, uid=uid)
        evaluated = None if dry_run else p.evaluated
        path = p.report() if to == "virtual" and not dry_run else None
    if json:
        print_json(result.summary() | {"report": path})
    else:
        for line in result.lines:
            out.print(line, markup=False)
        if result.run:
            log.print()
            out.print(f"accuracy  {evaluated.int8_accuracy:.3f} of {evaluated.windows:,} held-out windows (int8), "
                      f"{evaluated.float_accuracy:.3f} float")  # fmt: skip
            print_simulation(result.run)
        if path:
            out.print(f"report    {path}")
    if result.run and result.run.result.fault:
        raise DeviceError(f"the firmware failed: {result.run.result.fault.message}",
                          details=result.run.result.fault.describe())  # fmt: skip
