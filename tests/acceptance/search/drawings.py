"""Pictures of docs/search.md that a single search does not have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tinyml.report.page import svg
from tinyml.report.theme import FONT_PT, LIGHT, new_figure, style
from tinyml.storage import write_text

_LINES = ("-", (0, (5, 1.5)), (0, (1.5, 1.2)))
"""By series, so that curves that lie upon each other are both seen."""


def board_curves(found: dict[str, Any], path: Path) -> Path:
    """Write `board_figure`; returns `path`."""
    write_text(path, svg(board_figure(found)))
    return path


def board_figure(found: dict[str, Any]) -> Figure:
    """Distribution of the MACs of the networks that fit, in every board's chosen space."""
    boards = found["boards"]
    figure = new_figure(3.3 + 0.19 * len(boards), LIGHT)
    axes = figure.subplots()
    style(axes, LIGHT, grid="both")
    for number, (name, board) in enumerate(boards.items()):
        macs = np.sort(next(s["macs"] for s in board["spaces"] if s["space"] == board["chosen"])) / 1e6
        shares = np.arange(len(macs) + 1) / len(macs)
        axes.plot(np.append(macs[0], macs), shares, drawstyle="steps-post", linewidth=1.8,
                  color=LIGHT.series[number % len(LIGHT.series)], linestyle=_LINES[number % len(_LINES)],
                  label=f"{name}: {board['title']}, {len(macs):,} fit, mean {macs.mean():.3g} M")  # fmt: skip
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.xaxis.set_minor_formatter(lambda value, _: f"{value:g}" if f"{value:e}"[0] in "25" else "")
    axes.tick_params(axis="x", which="minor", labelsize=FONT_PT - 1, labelcolor=LIGHT.text, colors=LIGHT.muted)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.set(xlabel="multiply-accumulates of one inference, millions", ylabel="networks with at most that many",
             ylim=(0, 1.01))  # fmt: skip
    _named(figure, axes)
    return figure


def ranking_points(ranking: dict[str, Any], alone: dict[str, Any], path: Path) -> Path:
    """Write `ranking_figure`; returns `path`."""
    write_text(path, svg(ranking_figure(ranking, alone)))
    return path


def ranking_figure(ranking: dict[str, Any], alone: dict[str, Any]) -> Figure:
    """Accuracy with shared weights against accuracy alone, of every network and seed; equal ones lie on the line."""
    figure = new_figure(3.6, LIGHT)
    axes = figure.subplots()
    style(axes, LIGHT, grid="both")
    for number, (seed, row) in enumerate(ranking["seeds"].items()):
        tau = f"{row['tau']:.2f}" if np.isfinite(row["tau"]) else "undefined"
        axes.plot(alone["alone"], row["supernet"], "os^Dv"[number % 5], color=LIGHT.series[number % len(LIGHT.series)],
                  markersize=5, alpha=0.8, markeredgewidth=0, label=f"seed {seed}: tau {tau}")  # fmt: skip
    limits = axes.get_xlim(), axes.get_ylim()
    axes.axline((0.5, 0.5), slope=1, color=LIGHT.muted, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1,
                label="equal accuracy")  # fmt: skip
    axes.set(xlim=limits[0], ylim=limits[1], xlabel="accuracy alone", ylabel="accuracy with shared weights")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(lambda value, _: f"{100 * value:.3g}%")
    _named(figure, axes, ncols=2)
    return figure


def _named(figure: Figure, axes: Axes, ncols: int = 1) -> None:
    """The legend outside, where it covers nothing."""
    for label in (axes.xaxis.label, axes.yaxis.label):
        label.set_color(LIGHT.muted)
    figure.legend(loc="outside lower left", ncols=ncols, frameon=False, labelcolor=LIGHT.text, fontsize=FONT_PT - 1,
                  labelspacing=0.3, handlelength=2.6)  # fmt: skip
