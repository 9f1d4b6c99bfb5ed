"""The engine's figures as text: a table for the README, a page for the documentation, a file that tests pin."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from tinyml.bench.engine import METRICS, PUSH, Row, missed, peers
from tinyml.errors import ProjectError
from tinyml.storage import write_text

BEGIN, END = "<!-- engine figures: written by `make bench` -->", "<!-- end of engine figures -->"
_NAMES = {"cycles": "Million cycles", "ram": "RAM, kB", "code": "Code, kB", "flash": "Flash, kB"}
_PEERS = ("tflm", "tinyengine", "silicon")
HOW = """\
Cortex-M4 cycles at zero flash wait states, the worst of three inputs; RAM is arena, scratch, variables and stack; code
is flash without packed weights, a caller of about 100 bytes included; kB is 1000 bytes. One build by arm-none-eabi-gcc
gives all four figures; ours are **bold**. TFLM (TensorFlow Lite Micro of August 2026 with CMSIS-NN, default flags) and
TinyEngine (MIT's, -O3) were built by the same compiler and counted by the same rules; silicon is the best published
MLPerf Tiny (closed) result on a Cortex-M4, its wait states included. A figure that misses its target (`must`) is marked
(!). Every output byte equals LiteRT's reference kernels.
"""


def save_figures(rows: Sequence[Row], path: Path) -> None:
    """The figures that regression tests pin. Raises: ProjectError."""
    write_text(path, json.dumps({"schema": 1, "rows": [asdict(row) for row in rows]}, indent=1) + "\n")


def load_figures(path: Path) -> list[Row]:
    """What `save_figures` wrote. Raises: ProjectError."""
    try:
        return [Row(**row) for row in json.loads(path.read_text(encoding="utf-8"))["rows"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ProjectError(f"`{path}` holds no figures: {error}", hint="run `make bench`") from error


def readme_section(rows: Sequence[Row]) -> str:
    """One row a network: peers' figures, then ours."""
    head = ["network", "Mcycles: TFLM / TinyEngine / silicon", "RAM kB: TFLM / TinyEngine", "code kB", "flash kB"]
    lines = [_line(head), _line(["---"] * len(head))]
    for row in rows:
        cells = [_beside(row, metric, _PEERS if metric == "cycles" else _PEERS[:2]) for metric in METRICS]
        lines.append(_line([peers()[row.network]["title"], *cells]))
    return "\n".join([*lines, "", HOW]).rstrip() + "\n"


def _beside(row: Row, metric: str, names: tuple[str, ...]) -> str:
    table = peers()[row.network][metric]
    others = " / ".join(_text(table[name]) for name in names if name in table)
    return f"{others} -> {_ours(row, metric)}" if others else _ours(row, metric)


def _ours(row: Row, metric: str) -> str:
    mark = " (!)" if metric in missed(row, "must") else ""
    return f"**{_text(row.value(metric))}**{mark}"


def _text(value: float | str) -> str:
    """Three significant digits, without an exponent."""
    if isinstance(value, str):
        return value
    digits = 0 if value >= 100 else 1 if value >= 10 else 2 if value >= 1 else 3
    return f"{value:.{digits}f}"


def page(rows: Sequence[Row]) -> str:
    """The whole of docs/performance.md."""
    parts = ["# Performance of the engine", "", "Written by `make bench`; do not edit.", "", HOW]
    for metric in METRICS:
        parts += [f"## {_NAMES[metric]}", "", *_metric_table(rows, metric), ""]
    parts += ["## Builds", "", *_build_table(rows), "", *_notes(rows)]
    return "\n".join(parts).rstrip() + "\n"


def _metric_table(rows: Sequence[Row], metric: str) -> list[str]:
    columns = [*_PEERS, "must", "goal"] if metric == "cycles" else [*_PEERS[:2], "must", "goal"]
    lines = [_line(["network", "tinyml", *columns]), _line(["---", *["--:"] * (len(columns) + 1)])]
    for row in rows:
        table = peers()[row.network][metric]
        others = [_text(table[name]) if name in table else "" for name in columns]
        lines.append(_line([row.network, _ours(row, metric), *others]))
    return lines


def _build_table(rows: Sequence[Row]) -> list[str]:
    lines = [_line(["network", "build", "zig's cycles beside it", "exact", "misses of must", "misses of goal"])]
    lines.append(_line(["---"] * 6))
    for row in rows:
        zig = f"{row.zig_cycles / row.cycles - 1:+.1%}"
        lines.append(_line([row.network, row.build, zig, _exactness(row), ", ".join(missed(row, "must")) or "none",
                            ", ".join(missed(row, "goal")) or "none"]))  # fmt: skip
    return lines


def _exactness(row: Row) -> str:
    if not row.exact:
        return "NO"
    return f"yes; LiteRT, {row.oracle_inputs} inputs" if row.oracle_inputs else "yes (integer reference)"


def _notes(rows: Sequence[Row]) -> list[str]:
    tables = peers()
    notes = [f"- {row.network}: {tables[row.network]['note']}" for row in rows if "note" in tables[row.network]]
    if any(row.network.endswith(PUSH) for row in rows):
        notes.append("- rows that end in _push: one frame of an export with --stream, buffers of all layers full")
    return notes


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def spliced(text: str, section: str, where: str) -> str:
    """`text` with what stands between the markers replaced. Raises: ProjectError where `where` has no markers."""
    begin, end = text.find(BEGIN), text.find(END)
    if begin < 0 or end < begin:
        raise ProjectError(f"{where} has no place for the figures", hint=f"put `{BEGIN}` and `{END}` there")
    return f"{text[: begin + len(BEGIN)]}\n\n{section}\n{text[end:]}"
