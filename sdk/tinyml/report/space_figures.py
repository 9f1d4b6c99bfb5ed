"""The pictures of a search's first stage: what the networks that fit are like in each space."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from tinyml.nas.record import SearchRecord, SpaceResult
from tinyml.nas.space import SearchSpace, Space
from tinyml.report.search_facts import counted, number
from tinyml.report.theme import FONT_PT, Theme, new_figure, shorten, style

MOST_NAMED = 10
"""Curves that have a colour and a name; the others are thin and grey."""

_NAMED_WITHOUT_CHOICE = 5
_POINTS, _POINTS_UNNAMED = 160, 25  # of a curve; more cannot be told apart
_COLOURS = 5  # of a theme's series; the last one is grey
_MILLION = 1e6


def named_spaces(record: SearchRecord) -> tuple[Space, ...]:
    """The spaces to tell apart: those chosen, and before that those with the largest networks that fit."""
    results = {r.space: r for r in record.spaces if r.fitting}
    if record.chosen_spaces:
        return tuple(s for s in record.chosen_spaces if s in results)[:MOST_NAMED]
    return tuple(sorted(results, key=lambda s: (-results[s].mean_macs, s)))[:_NAMED_WITHOUT_CHOICE]


def macs_curves(record: SearchRecord, theme: Theme) -> Figure:
    """Of the networks of each space that fit, the share with at most so many multiply-accumulates."""
    named = named_spaces(record)
    figure = new_figure(3.5 + 0.19 * (len(named) + 1), theme)
    axes = figure.add_subplot()
    style(axes, theme, grid="both")
    results = {r.space: r for r in record.spaces if r.fitting}
    others = [_curve(r.macs, _POINTS_UNNAMED) for r in results.values() if r.space not in named]
    axes.add_collection(LineCollection(others, colors=theme.muted, linewidths=0.5, alpha=0.45, zorder=2))
    handles = []
    for place, space in enumerate(named):
        look = {"color": theme.series[place % _COLOURS], "linestyle": "-" if place < _COLOURS else (0, (4, 1.2))}
        axes.plot(*_curve(results[space].macs, _POINTS).T, linewidth=2.0, zorder=4, drawstyle="steps-post", **look)
        handles.append(Line2D([], [], linewidth=2.0, label=_said(results[space], record.space), **look))
    if others:
        handles.append(Line2D([], [], linewidth=0.8, color=theme.muted, label=counted(len(others), "other space")))
    axes.set_xlim(0, 1.02 * max(r.macs[-1] for r in results.values()) / _MILLION)
    axes.set_ylim(0, 1.01)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.set_xlabel("multiply-accumulates of one inference, millions")
    axes.set_ylabel("networks with at most that many")
    figure.legend(handles=handles, loc="outside lower left", frameon=False, labelcolor=theme.text,
                  fontsize=FONT_PT - 1, labelspacing=0.3, handlelength=2.6)  # fmt: skip
    return figure


def _curve(macs: Sequence[int], most: int) -> np.ndarray:
    """float[points, 2]: (millions, share) of the distribution of ascending `macs`, in at most `most` points."""
    ranks = np.unique(np.linspace(0, len(macs) - 1, min(len(macs), most)).round().astype(int))
    millions = np.asarray(macs, float)[ranks] / _MILLION
    return np.column_stack([np.append(millions[:1], millions), np.append(0.0, (ranks + 1) / len(macs))])


def _said(result: SpaceResult, space: SearchSpace) -> str:
    return (f"{space.title(result.space)}: {result.fitting:,} of {result.sampled:,} fit, "
            f"mean {number(result.mean_macs / _MILLION)} M")  # fmt: skip


def _percent(share: float) -> str:
    """Without a unit; what rounds to nothing keeps a decimal, so that it is told from nothing."""
    return f"{100 * share:.1f}" if 0 < share < 0.01 else f"{100 * share:.0f}"


def space_map(record: SearchRecord, theme: Theme) -> Figure:
    """Geometry by width: the mean multiply-accumulates of what fits, and how much fits; frames mark what was chosen."""
    space = record.space
    rows, columns = len(space.geometries), len(space.widths)
    means, shares = np.full((rows, columns), np.nan), np.full((rows, columns), np.nan)
    for result in record.spaces:
        shares[result.space] = result.fitting / max(result.sampled, 1)
        if result.fitting:
            means[result.space] = result.mean_macs / _MILLION
    figure = new_figure(1.15 + max(0.25 * rows, 0.5), theme)
    left, right = figure.subplots(1, 2, sharey=True)
    _draw_map(left, means, [number(v) for v in means.flat], record, theme)
    left.set_title("mean of those that fit, million MACs", loc="left", fontsize=FONT_PT - 0.5, color=theme.text)
    left.set_yticks(range(rows), [shorten(g.title, 34) for g in space.geometries])
    _draw_map(right, shares, [_percent(v) for v in shares.flat], record, theme)
    right.set_title("share that fits, %", loc="left", fontsize=FONT_PT - 0.5, color=theme.text)
    right.tick_params(labelleft=False)
    return figure


def _draw_map(axes: Axes, values: np.ndarray, texts: Sequence[str], record: SearchRecord, theme: Theme) -> None:
    style(axes, theme, frame=())
    most = max(np.nanmax(values), 1e-9) if np.isfinite(values).any() else 1.0
    axes.imshow(np.nan_to_num(values), cmap=theme.sequential, vmin=0, vmax=most, aspect="auto")
    font_pt = min(FONT_PT - 2, 62 / values.shape[1] + 1)
    for text, (row, column) in zip(texts, np.ndindex(*values.shape), strict=True):
        value = values[row, column]
        colour = theme.on_high if value > 0.55 * most else theme.text if np.isfinite(value) else theme.muted
        axes.text(column, row, text if np.isfinite(value) else "\u2013", ha="center", va="center", color=colour,
                  fontsize=font_pt)  # fmt: skip
    for row, column in record.chosen_spaces:
        axes.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, edgecolor=theme.series[1],
                                 linewidth=1.8, zorder=4, clip_on=False))  # fmt: skip
    axes.set_xticks(range(values.shape[1]), [f"{w:g}" for w in record.space.widths])
    axes.tick_params(length=0)
    axes.set_xlabel("width")
