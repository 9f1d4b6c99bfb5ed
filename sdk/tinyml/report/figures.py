"""The pictures of training and accuracy, and the list of all. No function uses pyplot or its global state."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.figure import Figure

from tinyml.report.collect import Curve, Mistake, RunRecord
from tinyml.report.device_figures import layer_cycles, memory_bars
from tinyml.report.memory_map import memory_map
from tinyml.report.theme import FONT_PT, Theme, new_figure, shorten, style

MOST_MISTAKES = 12
_COLUMNS = 4
_SMOOTH_SHARE = 0.04  # of a curve's length: the window of its moving average


def all_figures(record: RunRecord) -> dict[str, Callable[[Theme], Figure]]:
    """The figures for which `record` has the data, by name."""
    found: dict[str, Callable[[Theme], Figure]] = {}
    if record.memories:
        found["memory_bars"] = lambda theme: memory_bars(record.memories, theme)
    if record.tensors:
        found["memory_map"] = lambda theme: memory_map(record, theme)
    if record.layers:
        found["layer_cycles"] = lambda theme: layer_cycles(record.layers, theme)
    if record.confusion is not None:
        found["confusion_matrix"] = lambda theme: confusion_matrix(record.confusion, record.labels, theme)
    if record.curves:
        found["training_curves"] = lambda theme: training_curves(record.curves, theme)
    if record.mistakes:
        found["worst_mistakes"] = lambda theme: worst_mistakes(record.mistakes, record.hop_ms, theme)
    return found


def confusion_matrix(confusion: np.ndarray, labels: Sequence[str], theme: Theme) -> Figure:
    """Counts of int[true, predicted], coloured by the share of the true class."""
    size = len(labels)
    figure = new_figure(min(1.5 + 0.42 * size, 7.0), theme)
    axes = figure.add_subplot()
    style(axes, theme, frame=())
    share = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    axes.imshow(share, cmap=theme.sequential, vmin=0, vmax=1, aspect="auto")
    for row, column in np.ndindex(size, size):
        if confusion[row, column]:
            colour = theme.on_high if share[row, column] > 0.5 else theme.text
            axes.text(column, row, f"{confusion[row, column]:,}", ha="center", va="center", color=colour,
                      fontsize=FONT_PT - 1)  # fmt: skip
    turned = size > 7
    names = [shorten(name, 12) for name in labels]
    axes.set_xticks(range(size), names, rotation=40 if turned else 0, ha="right" if turned else "center")
    axes.set_yticks(range(size), [f"{name}  {share[i, i]:.0%}" for i, name in enumerate(names)])
    axes.tick_params(length=0)
    axes.set_xlabel("heard as")
    axes.set_ylabel("spoken, and the share heard right")
    return figure


def training_curves(curves: Sequence[Curve], theme: Theme) -> Figure:
    """Every curve behind the one before it: single values pale, their moving average on top."""
    figure = new_figure(3.0, theme)
    axes = figure.add_subplot()
    style(axes, theme, grid="y")
    begin = 0
    for number, curve in enumerate(curve for curve in curves if curve.values):
        colour = theme.series[number % len(theme.series)]
        values = np.asarray(curve.values, float)
        smooth = moving_average(values)
        steps = begin + np.arange(len(values)) * curve.every
        axes.plot(steps, values, color=colour, linewidth=0.7, alpha=0.35)
        axes.plot(steps, smooth, color=colour, linewidth=1.8)
        axes.text(0.995, 0.97 - 0.1 * number, f"{curve.name}: {smooth[0]:.3g} \u2192 {smooth[-1]:.3g}", color=colour,
                  transform=axes.transAxes, ha="right", va="top", fontsize=FONT_PT, fontweight="bold")  # fmt: skip
        begin += len(values) * curve.every
    axes.set_xlim(0, max(begin - 1, 1))
    axes.set_ylim(bottom=0)
    axes.set_xlabel("step")
    axes.set_ylabel("loss")
    return figure


def moving_average(values: np.ndarray) -> np.ndarray:
    """float[n] -> float[n]: the mean of a window around each value that is cut off at the ends."""
    reach = int(len(values) * _SMOOTH_SHARE / 2)
    sums = np.concatenate(([0.0], np.cumsum(values)))
    places = np.arange(len(values))
    first, last = np.maximum(places - reach, 0), np.minimum(places + reach + 1, len(values))
    return (sums[last] - sums[first]) / (last - first)


def worst_mistakes(mistakes: Sequence[Mistake], hop_ms: float, theme: Theme) -> Figure:
    """The features that were misheard with most confidence, as the network saw them; one scale for all."""
    shown = mistakes[:MOST_MISTAKES]
    rows = -(-len(shown) // _COLUMNS)
    figure = new_figure(0.45 + 1.55 * rows, theme)
    low, high = min(int(m.features.min()) for m in shown), max(int(m.features.max()) for m in shown)
    for place, axes in enumerate(figure.subplots(rows, _COLUMNS, squeeze=False).flat):
        style(axes, theme, frame=())
        if place >= len(shown):
            axes.set_visible(False)
            continue
        mistake = shown[place]
        frames, bins = mistake.features.shape
        axes.imshow(mistake.features.T, origin="lower", aspect="auto", cmap="magma", vmin=low, vmax=high,
                    extent=(0, frames * hop_ms / 1000, 0, bins), interpolation="nearest")  # fmt: skip
        axes.set_title(f"{shorten(mistake.label, 9)} \u2192 {shorten(mistake.predicted, 9)} {mistake.score:.2f}",
                       color=theme.text, fontsize=FONT_PT - 1, loc="left", pad=3)  # fmt: skip
        axes.tick_params(labelleft=place % _COLUMNS == 0, labelbottom=place + _COLUMNS >= len(shown))
    figure.supxlabel("seconds", color=theme.muted, fontsize=FONT_PT - 0.5)
    figure.supylabel("mel band", color=theme.muted, fontsize=FONT_PT - 0.5)
    return figure
