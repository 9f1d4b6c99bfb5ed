"""What every project verb starts with: the options they share, and the project opened with progress shown."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from tinyml.cli.output import ProgressBars, log
from tinyml.pipeline import Project

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
Folder = Annotated[Path, typer.Option("--project", "-C", help="The project folder.")]
HERE = Path()


@contextmanager
def opened(folder: Path, *, board: str | None = None) -> Iterator[Project]:
    """The project in `folder`, its stages announced on stderr. `board` overrides the one in tinyml.toml."""
    with ProgressBars().shown() as bars:
        yield Project.load(folder, board=board, progress=bars, announce=announce)


def announce(stage: str, state: str) -> None:
    """One line per stage: what runs, what is up to date."""
    colour = "dim" if state.startswith("up to date") else "cyan"
    log.print(f"[bold]{stage:<10}[/] [{colour}]{state}[/]")
