"""One self-contained HTML file: the record's figures and numbers, nothing loaded from anywhere."""

from __future__ import annotations

from pathlib import Path

from tinyml.errors import Progress, no_progress
from tinyml.report.collect import RunRecord
from tinyml.report.figures import all_figures
from tinyml.report.page import pictures_of, template
from tinyml.storage import writing

_MOST_FUNCTIONS = 12


def write_report(record: RunRecord, path: Path, progress: Progress = no_progress) -> Path:
    """Write the report of `record` to `path`, whole or not at all; returns `path`.

    Raises: ProjectError when the disk is full.
    """
    page = render(record, progress)
    with writing(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return path


def render(record: RunRecord, progress: Progress = no_progress) -> str:
    """The page as text. Equal records give equal pages."""
    pictures = pictures_of(all_figures(record), lambda name: _describe(name, record), progress)
    return template("report.html.j2").render(r=record, pictures=pictures, functions=_functions(record))


def _functions(record: RunRecord) -> list[tuple[str, int, float]]:
    """(name, cycles, share) of the functions that took most of the virtual run."""
    if record.simulation is None:
        return []
    cycles = record.simulation.functions
    total = max(sum(cycles.values()), 1)
    top = sorted(cycles.items(), key=lambda item: (-item[1], item[0]))[:_MOST_FUNCTIONS]
    return [(name, count, count / total) for name, count in top]


def _describe(name: str, record: RunRecord) -> str:
    """What a reader who cannot see the picture should know."""
    if name == "memory_bars":
        return "; ".join(f"{m.name} {m.used_bytes:,} of {m.capacity_bytes:,} bytes" for m in record.memories)
    if name == "memory_map":
        return f"memory map of the arena, {record.arena_bytes:,} bytes over {len(record.steps)} layers"
    if name == "layer_cycles":
        most = max(record.layers, key=lambda layer: layer.shown_cycles)
        total = sum(layer.shown_cycles for layer in record.layers)
        return f"{total:,} cycles in {len(record.layers)} layers, most in {most.name}: {most.shown_cycles:,}"
    if name == "confusion_matrix":
        return f"confusion matrix of {len(record.labels)} classes"
    if name == "training_curves":
        return "training loss: " + ", ".join(f"{c.name} ends at {c.values[-1]:.3g}" for c in record.curves if c.values)
    return "; ".join(f"{m.label} taken for {m.predicted}" for m in record.mistakes)
