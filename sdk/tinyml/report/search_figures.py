"""The pictures of a search, by name: drawn for a page, said in words, or kept as files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from matplotlib.figure import Figure

from tinyml.board import Isa
from tinyml.nas.record import SearchRecord
from tinyml.nas.space import architecture
from tinyml.report.candidate_figures import CYCLES, SRAM, candidates, progress_curves, searches, volume
from tinyml.report.collect import Curve
from tinyml.report.figures import training_curves
from tinyml.report.network_figure import memory_use, network_drawing
from tinyml.report.page import svg
from tinyml.report.search_facts import budget_of, counted, described, energy, number
from tinyml.report.space_figures import macs_curves, space_map
from tinyml.report.theme import FONT_PT, LIGHT, Theme, new_figure, shorten, style
from tinyml.storage import write_text

_MOST_LOSSES = 600  # points of a curve; more cannot be told apart


def search_figures(record: SearchRecord, isa: Isa | None) -> dict[str, Callable[[Theme], Figure]]:
    """The figures for which `record` has the data, by name; without an `isa` none of the SRAM by layer.

    Raises: GraphError for a chosen network that the operators do not support.
    """
    found: dict[str, Callable[[Theme], Figure]] = {}
    if record.evaluations or record.random:
        found["pareto_cycles"] = lambda theme: candidates(record, CYCLES, theme)
        found["pareto_sram"] = lambda theme: candidates(record, SRAM, theme)
    if record.chosen is not None:
        genome = record.evaluations[record.chosen].genome
        arch, ram_budget = architecture(record.space, genome, record.classes), budget_of(record).ram_bytes
        uses = () if isa is None else memory_use(arch, isa)
        found["network"] = lambda theme: network_drawing(arch, uses, ram_budget, theme)
    if any(result.fitting for result in record.spaces):
        found["space_curves"] = lambda theme: macs_curves(record, theme)
    if len(record.spaces) > 1:
        found["space_map"] = lambda theme: space_map(record, theme)
    if record.evaluations or record.random:
        found["progress"] = lambda theme: progress_curves(record, theme)
    if record.losses:
        found["losses"] = lambda theme: training_curves(loss_curves(record), theme)
    if record.seconds:
        found["minutes"] = lambda theme: minutes_bars(record, theme)
    return found


def said(name: str, record: SearchRecord) -> str:
    """What a reader who cannot see the picture called `name` should know."""
    if name.startswith("pareto"):
        what = "cycles" if name == "pareto_cycles" else "SRAM"
        best = "; ".join(f"{n}: {counted(len(found), 'candidate')}, the best {max(e.accuracy for e in found):.1%}"
                         for n, found, _ in searches(record))  # fmt: skip
        return f"accuracy against {what}; {best}"
    if name == "network":
        return f"the chosen network: {described(record.space, record.evaluations[record.chosen].genome)}"
    if name == "space_curves":
        return f"distribution of multiply-accumulates of the networks that fit, in {len(record.spaces)} spaces"
    if name == "space_map":
        fitting = sum(result.fitting > 0 for result in record.spaces)
        return f"map of {len(record.spaces)} spaces by input and width; in {fitting} of them networks fit"
    if name == "progress":
        return "hypervolume at the end: " + ", ".join(f"{n} {volume(record, f):.4f}" for n, f, _ in searches(record))
    if name == "losses":
        return f"loss of the supernet over {len(record.losses):,} steps, {record.losses[-1]:.3g} at the end"
    used = energy(record)
    unit, size = used.unit
    return "; ".join(f"{stage} {number(seconds / size)} {unit}" for stage, seconds in used.seconds)


def save_figures(record: SearchRecord, folder: Path, isa: Isa | None = None) -> tuple[Path, ...]:
    """Write each figure as `folder/NAME.svg`, for light pages; returns the paths. Equal records give equal files.

    Raises: ProjectError when one cannot be written.
    """
    paths = []
    for name, draw in search_figures(record, isa).items():
        paths.append(folder / f"{name}.svg")
        write_text(paths[-1], svg(draw(LIGHT)))
    return tuple(paths)


def loss_curves(record: SearchRecord) -> tuple[Curve, ...]:
    """The losses of every step: those of the largest network alone, then those of shared weights.

    Losses that are not one per step of `counts` make one curve. Long ones are means of a few steps each.
    """
    counts, losses = record.counts, record.losses
    if len(losses) != counts.largest_steps + counts.supernet_steps:
        return (_thinned("supernet", losses),)
    alone, shared = losses[: counts.largest_steps], losses[counts.largest_steps :]
    phases = (("largest network alone", alone), ("networks that share weights", shared))
    return tuple(_thinned(name, values) for name, values in phases if values)


def _thinned(name: str, values: tuple[float, ...]) -> Curve:
    every = -(-len(values) // _MOST_LOSSES)
    groups = (values[i : i + every] for i in range(0, len(values), every))
    return Curve(name, tuple(sum(group) / len(group) for group in groups), every)


def minutes_bars(record: SearchRecord, theme: Theme) -> Figure:
    """Time by stage, with its share of the whole."""
    used = energy(record)
    unit, size = used.unit
    figure = new_figure(0.75 + 0.3 * len(used.seconds), theme)
    axes = figure.add_subplot()
    style(axes, theme, grid="x", frame=("left",))
    values = [seconds / size for _, seconds in used.seconds]
    most = max(*values, 1e-9)
    axes.barh(range(len(values)), values, height=0.64, color=theme.series[0])
    for place, value in enumerate(values):
        axes.text(value + 0.012 * most, place, f"{number(value)}  {value / max(sum(values), 1e-9):.0%}",
                  va="center", color=theme.text, fontsize=FONT_PT - 1)  # fmt: skip
    axes.set_yticks(range(len(values)), [shorten(stage, 32) for stage, _ in used.seconds])
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(values) - 0.4, -0.6)
    axes.set_xlim(0, 1.16 * most)
    axes.set_xlabel(unit)
    return figure
