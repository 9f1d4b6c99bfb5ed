"""What the commands print: data on stdout, messages and progress on stderr, one JSON object with `--json`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from tinyml.errors import TinymlError

# Lines are not folded, so that commands in them can be copied and other programs can read them; a terminal folds them
# itself. A pipe has no width: tables are not cut there.
log = Console(stderr=True, highlight=False, soft_wrap=True)
out = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 200)


def print_error(error: TinymlError) -> None:
    """One clear error: what, details, and after a blank line what to do."""
    log.print("[bold red]error:[/] ", end="")
    log.print(error.message, markup=False)
    for line in error.details:
        log.print(f"  {line}", markup=False)
    if error.hint:
        log.print()
        log.print("[bold cyan]hint:[/] ", end="")
        log.print(error.hint, markup=False)


def print_json(value: Any) -> None:
    """The result as one JSON object on stdout."""
    sys.stdout.write(json.dumps(value, indent=1, default=_plain) + "\n")


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "tolist"):
        return value.tolist()
    return list(value)


def print_table(title: str, columns: list[str], rows: list[list[Any]]) -> None:
    """A table on stdout; numbers stand right."""
    table = Table(title=title or None, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for index, column in enumerate(columns):
        numeric = bool(rows) and all(isinstance(r[index], int | float) for r in rows)
        table.add_column(column, justify="right" if numeric else "left")
    for row in rows:
        table.add_row(*[f"{v:,}" if isinstance(v, int) else str(v) for v in row])
    out.print(table)


def usage_bar(name: str, used_bytes: int, total_bytes: int) -> str:
    """`RAM:   [==        ] 20.7 % (used 67,692 bytes of 327,680)`."""
    share = used_bytes / total_bytes
    filled = min(10, round(share * 10))
    return (f"{name:<6} \\[{'=' * filled}{' ' * (10 - filled)}] {share:6.1%} "
            f"(used {used_bytes:,} bytes of {total_bytes:,})")  # fmt: skip


class ProgressBars:
    """A `tinyml.errors.Progress`: one bar per phrase, plain lines every tenth when stderr is no terminal."""

    def __init__(self) -> None:
        columns = (TextColumn("  {task.description:<28}"), BarColumn(bar_width=30), TaskProgressColumn(),
                   TimeRemainingColumn(compact=True))  # fmt: skip
        self._bars = Progress(*columns, console=log, transient=False)
        self._tasks: dict[str, TaskID] = {}
        self._tenths: dict[str, int] = {}

    def __call__(self, what: str, done: int, total: int) -> None:
        if not log.is_terminal:
            self._plain_line(what, done, total)
            return
        if what not in self._tasks:
            self._tasks[what] = self._bars.add_task(what, total=total)
        self._bars.update(self._tasks[what], completed=done, total=total)

    def _plain_line(self, what: str, done: int, total: int) -> None:
        tenth = 10 * done // max(total, 1)
        if tenth != self._tenths.get(what, -1):
            self._tenths[what] = tenth
            log.print(f"  {what}: {done:,}/{total:,}", markup=False)

    @contextmanager
    def shown(self) -> Iterator[ProgressBars]:
        """Draws the bars while the block runs."""
        with self._bars if log.is_terminal else _nothing():
            yield self


@contextmanager
def _nothing() -> Iterator[None]:
    yield
