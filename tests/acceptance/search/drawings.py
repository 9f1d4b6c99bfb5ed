"""Pictures of docs/search.md that a single search does not have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tinyml.report.page import svg
from tinyml.report.theme import LIGHT, new_figure, style
from tinyml.storage import write_text


def board_curves(found: dict[str, Any], path: Path) -> None:
    """Distribution of the MACs of fitting networks in every board's chosen space."""
    figure = new_figure(3.4, LIGHT)
    axes = figure.subplots()
    for number, (name, board) in enumerate(found["boards"].items()):
        macs = next(s["macs"] for s in board["spaces"] if s["space"] == board["chosen"])
        axes.plot(np.array(macs) / 1e6, (np.arange(len(macs)) + 1) / len(macs), color=LIGHT.series[number], linewidth=1.6,
                  label=f"{name}: {board['title']}")  # fmt: skip
    axes.set(xscale="log", xlabel="million MACs of networks that fit", ylabel="share of them", ylim=(0, 1))
    style(axes, LIGHT, grid="y")
    axes.legend(fontsize=8, frameon=False, loc="upper left")
    write_text(path, svg(figure))


def ranking_points(ranking: dict[str, Any], alone: dict[str, Any], path: Path) -> None:
    """Accuracy with shared weights against accuracy alone."""
    figure = new_figure(3.4, LIGHT)
    axes = figure.subplots()
    for number, (seed, row) in enumerate(ranking["seeds"].items()):
        axes.plot(alone["alone"], row["supernet"], "o", color=LIGHT.series[number], markersize=4.5,
                  label=f"seed {seed}: tau {row['tau']:.2f}")  # fmt: skip
    axes.set(xlabel="accuracy alone", ylabel="accuracy with shared weights")
    style(axes, LIGHT, grid="y")
    axes.legend(fontsize=8, frameon=False, loc="lower right")
    write_text(path, svg(figure))
