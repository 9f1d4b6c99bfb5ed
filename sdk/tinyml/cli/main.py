"""The `tinyml` command: one small module per verb, errors turned into messages and exit codes."""

from __future__ import annotations

import os
import sys
import traceback
from typing import NoReturn

import typer

from tinyml import __version__
from tinyml.cli import (
    bench,
    boards,
    build,
    compile,
    data,
    deploy,
    doctor,
    evaluate,
    export,
    import_model,
    new,
    report,
    run_virtual,
    search,
    train,
)
from tinyml.cli.output import log, print_error
from tinyml.errors import TinymlError, of_missing_module

INTERNAL_ERROR = 70

app = typer.Typer(
    name="tinyml", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
    help="From words or pictures to a flashed microcontroller.",
    epilog="Start with: tinyml new kws --board nrf52840 && cd kws && tinyml deploy --to virtual",
)  # fmt: skip


@app.callback(invoke_without_command=True)
def version(show: bool = typer.Option(False, "--version", help="Print the version and exit.")) -> None:
    if show:
        typer.echo(f"tinyml {__version__}")
        raise typer.Exit


for module in (new, doctor, boards):
    app.command(module.NAME)(module.command)
app.add_typer(data.app, name="data")
for module in (search, train, evaluate, compile, build, run_virtual, deploy, report, import_model, bench, export):
    app.command(module.NAME)(module.command)


def fail(error: TinymlError) -> NoReturn:
    print_error(error)
    sys.exit(error.exit_code)


def report_defect() -> NoReturn:
    """Say that it is our fault, with what is needed to report it. Called while the exception is handled."""
    traceback.print_exc()
    log.print("[bold red]error:[/] this is a defect of tinyml, not of your project")
    log.print("\n[bold cyan]hint:[/] please report it with the lines above and your tinyml.toml or model")
    sys.exit(INTERNAL_ERROR)


def run() -> None:
    """Entry point of the console script. Exit codes: DESIGN "Users"; 70 is a defect of tinyml itself."""
    try:
        app(standalone_mode=True)
    except TinymlError as error:
        fail(error)
    except ModuleNotFoundError as error:
        missing = of_missing_module(error)
        if missing is None:
            report_defect()
        fail(missing)
    except KeyboardInterrupt:
        log.print("stopped; finished stages are kept, run the same command to go on")
        sys.exit(130)
    except Exception:  # anything else is a defect of tinyml
        report_defect()
    finally:
        if not os.isatty(1):
            sys.stdout.flush()


if __name__ == "__main__":
    run()
