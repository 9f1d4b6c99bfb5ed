"""`tinyml deploy`: run whatever is stale and flash."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tinyml.cli.output import out, print_json
from tinyml.cli.session import HERE, Folder, Json, opened
from tinyml.cli.summary import check_fault, print_console, print_simulation

NAME = "deploy"


def command(
    project: Folder = HERE,
    to: Annotated[str | None, typer.Option(help="virtual, pyocd or uf2. Default: the board's own order.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be done.")] = False,
    allow_unlicensed: Annotated[bool, typer.Option(help="Ship clips without a licence.")] = False,
    drive: Annotated[Path | None, typer.Option(help="uf2: the mounted drive to copy to.")] = None,
    output: Annotated[Path | None, typer.Option(help="uf2: the file to write.")] = None,
    uid: Annotated[str | None, typer.Option(help="pyocd: the probe to use, when several are attached.")] = None,
    unlock: Annotated[bool, typer.Option(help="pyocd: erase a read-protected chip wholly.")] = False,
    monitor: Annotated[bool, typer.Option(help="Print the board's console afterwards, until Ctrl-C.")] = False,
    port: Annotated[str | None, typer.Option(help="Serial port of the console.")] = None,
    json: Json = False,
) -> None:
    """Bring the project up to date and put it on a board (or the virtual one)."""
    from tinyml.deploy import DeployOptions
    from tinyml.deploy.monitor import console_lines

    options = DeployOptions(uid=uid, unlock=unlock, output=output, drive=drive)
    with opened(project) as p:
        if dry_run:
            _show_plan(p.plan_deployment(to=to, options=options), json)
            return
        done = p.deploy(to=to, allow_unlicensed=allow_unlicensed, options=options)
        evaluated, path = p.evaluated, p.report() if done.run else None
    if json:
        print_json({"runner": done.runner, "evaluation": evaluated.summary(), "report": path,
                    "run": done.run.summary() if done.run else None, "result": done.result})  # fmt: skip
    elif done.run:
        print_console(done.run)
        out.print(f"accuracy  {evaluated.int8_accuracy:.3f} of {evaluated.windows:,} held-out windows (int8), "
                  f"{evaluated.float_accuracy:.3f} float")  # fmt: skip
        print_simulation(done.run)
        out.print(f"report    {path}")
    else:
        for line in done.result.summary:
            out.print(line, markup=False)
    if done.run:
        check_fault(done.run)
    elif monitor:
        for line in console_lines(p.board, port):
            out.print(line, markup=False)


def _show_plan(lines: list[str], json: bool) -> None:
    if json:
        print_json({"plan": lines})
        return
    for line in lines:
        out.print(line, markup=False)
