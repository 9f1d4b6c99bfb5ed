"""The pictures of a search's candidates: accuracy against what a network costs, and how the best came about."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import LogLocator, NullFormatter

from tinyml.compiler.cost import NetworkCost
from tinyml.nas.pareto import front, hypervolume
from tinyml.nas.record import Evaluated, SearchRecord
from tinyml.report.search_facts import budget_of, counted
from tinyml.report.theme import FONT_PT, Theme, new_figure, shorten, style

_HEIGHT_IN = 3.9
_LOG_FROM = 12.0  # ratio of the largest cost shown to the smallest
_BUDGET_SHOWN = 1.5  # of the largest cost: a budget beyond is written at the edge
_CHECKPOINTS = 60  # of the hypervolume along a search
_LABEL_PT = FONT_PT - 1.5
_MOST_MARKS = 400  # of a search, that are drawn as shapes; a page would grow too large with more


@dataclass(frozen=True)
class Axis:
    """A cost as an axis shows it: `of` a network, in units of `unit`."""

    name: str
    unit: float
    of: Callable[[NetworkCost], int]
    budget: Callable[[SearchRecord], int | None]
    final: Callable[[SearchRecord], int | None]


CYCLES = Axis(
    "million cycles of one inference, at zero wait states", 1e6, lambda cost: cost.cycles,
    lambda record: budget_of(record).cycles, lambda record: record.final.measured_cycles,
)  # fmt: skip
SRAM = Axis(
    "SRAM of the network's tensors, kB", 1e3, lambda cost: cost.arena_bytes,
    lambda record: budget_of(record).ram_bytes, lambda record: record.final.arena_bytes,
)  # fmt: skip


def candidates(record: SearchRecord, axis: Axis, theme: Theme) -> Figure:
    """Accuracy against one cost: everything tried, the best of it, random search, other networks, the budget."""
    figure = new_figure(_HEIGHT_IN, theme)
    axes = figure.add_subplot()
    style(axes, theme, grid="both")
    _draw_found(axes, record.random, axis, "s", theme.series[1], "random search", theme)
    _draw_found(axes, record.evaluations, axis, "o", theme.series[0], "evolution", theme)
    if record.evaluations and record.pareto:
        kept = [record.evaluations[i] for i in record.pareto]
        axes.plot(*_points(kept, axis).T, "o", markersize=4.5, color=theme.series[0], zorder=5,
                  markeredgecolor=theme.background, markeredgewidth=0.6,
                  label=f"the {len(kept)} that no other beats in all respects")  # fmt: skip
    if record.baselines:
        points = np.array([(axis.of(b.cost) / axis.unit, b.accuracy) for b in record.baselines])
        axes.plot(*points.T, "^", markersize=7, color=theme.series[2], markeredgecolor=theme.background, zorder=6,
                  label="hand-made, trained by themselves")  # fmt: skip
    _draw_chosen(axes, record, axis, theme)
    below = _limit(axes, record, axis, theme)
    _name_baselines(axes, record, axis, theme)
    axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.3g}%")
    axes.set_xlabel(axis.name + (f"; {counted(below, 'candidate')} further below" if below else ""))
    axes.set_ylabel("accuracy")
    figure.legend(loc="outside upper left", ncols=2, frameon=False, labelcolor=theme.text, fontsize=FONT_PT - 1,
                  labelspacing=0.3, columnspacing=1.6)  # fmt: skip
    return figure


def _points(found: Sequence[Evaluated], axis: Axis) -> np.ndarray:
    """float[n, 2]: (cost in the axis' unit, accuracy)."""
    return np.array([(axis.of(e.cost) / axis.unit, e.accuracy) for e in found]).reshape(-1, 2)


def _draw_found(
    axes: Axes, found: Sequence[Evaluated], axis: Axis, marker: str, colour: str, name: str, theme: Theme
) -> None:
    """All candidates faintly, and a staircase along those that are best for their cost."""
    if not found:
        return
    points = _points(found, axis)
    hollow = {"markerfacecolor": "none", "markeredgewidth": 0.7} if marker == "s" else {"markeredgewidth": 0}
    axes.plot(*points.T, marker, markersize=3.2, color=colour, alpha=0.4, zorder=3, rasterized=len(found) > _MOST_MARKS,
              **hollow)  # fmt: skip
    best = points[list(front(points[:, ::-1]))]
    best = best[np.lexsort((best[:, 1], best[:, 0]))]
    axes.plot(*best.T, color=colour, linewidth=1.6, linestyle="-" if marker == "o" else (0, (4, 1.5)), zorder=4,
              drawstyle="steps-post", marker=marker, markersize=3.2, markevery=(0, max(len(best), 1)),
              label=f"{name}, {counted(len(found), 'candidate')}; line: the best for at most this cost")  # fmt: skip


def _draw_chosen(axes: Axes, record: SearchRecord, axis: Axis, theme: Theme) -> None:
    """The chosen candidate, and an arrow to what became of it."""
    if record.chosen is None:
        return
    chosen = record.evaluations[record.chosen]
    start = (axis.of(chosen.cost) / axis.unit, chosen.accuracy)
    star = {"marker": "*", "markersize": 13, "linestyle": "none", "color": theme.series[4], "zorder": 8}
    axes.plot(*start, **star, markerfacecolor=theme.background, markeredgewidth=1.3,
              label=f"chosen, with shared weights: {chosen.accuracy:.1%}")  # fmt: skip
    if record.final is None:
        return
    cost = axis.final(record)
    end = (axis.of(chosen.cost) if cost is None else cost) / axis.unit, record.final.int8_accuracy
    axes.annotate("", end, start, zorder=7,
                  arrowprops={"arrowstyle": "-", "color": theme.series[4], "linewidth": 1.2})  # fmt: skip
    axes.plot(*end, **star, markeredgecolor=theme.background,
              label=f"chosen, trained and in int8: {record.final.int8_accuracy:.1%}")  # fmt: skip


def _limit(axes: Axes, record: SearchRecord, axis: Axis, theme: Theme) -> int:
    """Limits of the axes around what matters, and the budget; returns how many candidates lie too far below."""
    costs = np.array([axis.of(e.cost) for e in (*record.evaluations, *record.random, *record.baselines)]) / axis.unit
    budget = axis.budget(record)
    most, least = costs.max(), costs.min()
    near = budget is not None and budget / axis.unit <= _BUDGET_SHOWN * most
    right = max(most, budget / axis.unit) if near else most
    if right / least > _LOG_FROM:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlim(least / 1.15, right * 1.15)
    else:
        pad = 0.07 * (right - least) or 0.1 * right
        axes.set_xlim(max(0, least - pad), right + pad)
    shares = np.array([e.accuracy for e in (*record.evaluations, *record.random)])
    others = [b.accuracy for b in record.baselines] + ([record.final.int8_accuracy] if record.final else [])
    best = max([*shares, *others])
    low = min([*([np.quantile(shares, 0.08)] if len(shares) else []), *others])
    pad = max(0.08 * (best - low), 0.004)
    axes.set_ylim(low - pad, best + 1.6 * pad)
    below = int((shares < low - pad).sum())
    if budget is None:
        return below
    where = {"color": theme.text, "fontsize": _LABEL_PT, "va": "top", "zorder": 9}
    if near:
        axes.axvline(budget / axis.unit, color=theme.text, linewidth=1.2, linestyle=(0, (5, 3)), zorder=2)
        axes.annotate("budget ", (budget / axis.unit, 0.99), xycoords=axes.get_xaxis_transform(), ha="right", **where)
    else:
        axes.text(0.995, 0.99, f"budget {budget / axis.unit:.3g} \u2192", transform=axes.transAxes, ha="right", **where)
    return below


def _name_baselines(axes: Axes, record: SearchRecord, axis: Axis, theme: Theme) -> None:
    """Names beside the marks, each where it covers no other name and, if it can, no other mark."""
    stars = [line.get_xydata()[0] for line in axes.lines if line.get_marker() == "*"]
    taken = [(x - 8, y - 8, 16.0, 16.0) for x, y in (_place(axes, *star) for star in stars)]
    marks = [_place(axes, axis.of(b.cost) / axis.unit, b.accuracy) for b in record.baselines]
    for baseline, (x, y) in zip(record.baselines, marks, strict=True):
        text = shorten(baseline.name, 28)
        wide, high = 0.58 * _LABEL_PT * len(text), 1.25 * _LABEL_PT
        spots = [(x + dx - wide * share, y + dy - high / 2, share, dx, dy) for share, dx, dy in _SPOTS]
        spots = [s for s in spots if s[0] >= 0 and s[0] + wide <= _WIDE_PT and 0 <= s[1] <= _HIGH_PT - high] or spots
        free = [s for s in spots if not any(_meet((s[0], s[1], wide, high), box) for box in taken)]
        left, bottom, share, dx, dy = (free or spots)[0]
        taken.append((left, bottom, wide, high))
        axes.annotate(text, (axis.of(baseline.cost) / axis.unit, baseline.accuracy), (dx, dy), va="center", zorder=9,
                      textcoords="offset points", ha={0.0: "left", 0.5: "center", 1.0: "right"}[share],
                      color=theme.series[2], fontsize=_LABEL_PT, fontweight="bold",
                      path_effects=_outlined(theme))  # fmt: skip


_SPOTS = tuple((share, dx, dy) for dy in (0.0, 10.0, -10.0, 20.0, -20.0, 30.0, -30.0, 40.0, -40.0)
               for share, dx in ((0.0, 7.0), (1.0, -7.0), (0.5, 0.0)) if dy or dx)  # fmt: skip
"""Where a name may stand: how much of it lies left of its anchor, and the anchor's way from the mark, in points."""


def _outlined(theme: Theme) -> list[withStroke]:
    """Keeps letters legible above marks and lines."""
    return [withStroke(linewidth=2.5, foreground=theme.background)]


_WIDE_PT, _HIGH_PT = 465.0, (_HEIGHT_IN - 1.1) * 72
"""About the size of the axes, which is settled only when the figure is drawn."""


def _place(axes: Axes, x: float, y: float) -> tuple[float, float]:
    """Where a point lies within the axes, in points."""
    to_axes = axes.transData + axes.transAxes.inverted()
    across, up = to_axes.transform((x, y))
    return float(across) * _WIDE_PT, float(up) * _HIGH_PT


def _meet(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> bool:
    return a[0] < b[0] + b[2] and b[0] < a[0] + a[2] and a[1] < b[1] + b[3] and b[1] < a[1] + a[3]


# ---- progress --------------------------------------------------------------------------------------------------------


def searches(record: SearchRecord) -> Iterator[tuple[str, tuple[Evaluated, ...], int]]:
    """(name, candidates in the order in which they were tried, number of the series' colour) of what was run."""
    for name, found, series in (("evolution", record.evaluations, 0), ("random search", record.random, 1)):
        if found:
            yield name, found, series


def reference(record: SearchRecord) -> tuple[float, float]:
    """What hypervolumes are measured from: the accuracy of guessing, and the largest budget for cycles (without one,
    the cycles of the slowest candidate)."""
    budgets = [b.cycles for b in record.budgets if b.cycles is not None]
    found = [e.cost.cycles for _, found, _ in searches(record) for e in found]
    return 1 / record.classes, float(max(budgets) if budgets else max(found))


def volume(record: SearchRecord, found: Sequence[Evaluated]) -> float:
    """The hypervolume of candidates (accuracy, cycles), as a share of the whole area above `reference`."""
    floor, ceiling = reference(record)
    return hypervolume([(e.accuracy, e.cost.cycles) for e in found], (floor, ceiling)) / ((1 - floor) * ceiling)


def progress_curves(record: SearchRecord, theme: Theme) -> Figure:
    """The best accuracy and the hypervolume after each number of evaluations."""
    figure = new_figure(4.4, theme)
    above, below = figure.subplots(2, 1, sharex=True)
    for axes in (above, below):
        style(axes, theme, grid="y")
    shown = []
    for name, found, series in searches(record):
        look = {"color": theme.series[series], "linewidth": 1.8, "linestyle": "-" if series == 0 else (0, (4, 1.5))}
        tried, shares = np.arange(1, len(found) + 1), np.array([e.accuracy for e in found])
        best = np.maximum.accumulate(shares)
        above.plot(tried, shares, "os"[series], markersize=2.4, color=theme.series[series], alpha=0.35,
                   markeredgewidth=0, rasterized=len(found) > _MOST_MARKS)  # fmt: skip
        above.plot(tried, best, drawstyle="steps-post", label=f"{name}: {best[-1]:.1%}", **look)
        places = np.unique(np.linspace(1, len(found), min(len(found), _CHECKPOINTS)).round().astype(int))
        volumes = [volume(record, found[:n]) for n in places]
        below.plot(places, volumes, label=f"{name}: {volumes[-1]:.4f}", **look)
        shown.append(shares)
    shares = np.concatenate(shown)
    low, best = np.quantile(shares, 0.1), shares.max()
    above.set_ylim(low - 0.1 * (best - low) - 0.002, best + 0.08 * (best - low) + 0.002)
    above.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.3g}%")
    above.set_ylabel("best accuracy")
    below.set_ylabel("hypervolume")
    below.set_xlabel("networks evaluated")
    below.set_xlim(0, 1.01 * max(map(len, shown)))
    for axes in (above, below):
        axes.legend(loc="lower right", frameon=True, framealpha=0.85, facecolor=theme.background,
                    edgecolor=theme.background, labelcolor=theme.text, fontsize=FONT_PT - 1)  # fmt: skip
    return figure
