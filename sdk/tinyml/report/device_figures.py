"""The pictures of how full the memories are, and of cycles."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tinyml.report.collect import Layer, MemoryUse
from tinyml.report.theme import FONT_PT, Theme, new_figure, shorten, style

_LEGEND_COLUMNS = 3


def layer_cycles(layers: Sequence[Layer], theme: Theme) -> Figure:
    """Cycles of each layer in one inference; a tick marks the cost model's estimate where the bar is measured."""
    figure = new_figure(0.9 + 0.26 * len(layers), theme)
    axes = figure.add_subplot()
    style(axes, theme, grid="x", frame=("left",))
    shown = [layer.shown_cycles for layer in layers]
    total, most = max(sum(shown), 1), max(*shown, *(layer.estimated_cycles for layer in layers), 1)
    places = np.arange(len(layers))
    axes.barh(places, shown, height=0.66, color=theme.series[0])
    for place, layer in enumerate(layers):
        end, text = layer.shown_cycles, f"{layer.shown_cycles:,}  {layer.shown_cycles / total:.0%}"
        if layer.cycles is not None:
            axes.plot([layer.estimated_cycles] * 2, [place - 0.42, place + 0.42], color=theme.series[1], linewidth=2)
            end = max(end, layer.estimated_cycles)
        if layer.macs and layer.shown_cycles:
            text += f"  {layer.macs / layer.shown_cycles:.2f} MAC/cycle"
        axes.text(end + most * 0.015, place, text, va="center", color=theme.text, fontsize=FONT_PT - 1.5)
    axes.set_yticks(places, [shorten(layer.name, 24) for layer in layers])
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(layers) - 0.4, -0.6)
    axes.set_xlim(0, most * 1.45)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value / 1000:g}k" if value else "0")
    measured = any(layer.cycles is not None for layer in layers)
    what = "on the virtual board; orange: the compiler's estimate" if measured else "as the compiler estimates them"
    axes.set_xlabel(f"cycles per inference, {what}")
    return figure


def memory_bars(memories: Sequence[MemoryUse], theme: Theme) -> Figure:
    """For each memory: how full the board is, and below it what the used part consists of."""
    rows = [-(-len(largest_parts(memory, len(theme.series))) // _LEGEND_COLUMNS) for memory in memories]
    figure = new_figure(sum(1.1 + 0.22 * n for n in rows), theme)
    grid = figure.subplots(len(memories), 1, squeeze=False, height_ratios=[1.1 + 0.22 * n for n in rows])
    for memory, legend_rows, axes in zip(memories, rows, grid.flat, strict=True):
        style(axes, theme, frame=())
        _draw_memory(axes, memory, theme)
        axes.set_xlim(0, 1)
        axes.set_ylim(0.05 - 0.22 * legend_rows, 1.5)
        axes.set_xticks([])
        axes.set_yticks([])
    return figure


def largest_parts(memory: MemoryUse, most: int) -> list[tuple[str, int]]:
    """The parts from the largest down; what would be more than `most` of them is summed up as "other"."""
    parts = sorted((part for part in memory.parts if part[1]), key=lambda part: -part[1])
    if len(parts) <= most:
        return parts
    return [*parts[: most - 1], ("other", sum(size for _, size in parts[most - 1 :]))]


def _draw_memory(axes: Axes, memory: MemoryUse, theme: Theme) -> None:
    share = memory.used_bytes / memory.capacity_bytes
    too_full = memory.used_bytes > (memory.limit_bytes or memory.capacity_bytes)
    axes.barh(1, 1, height=0.26, color=theme.grid)
    axes.barh(1, min(share, 1), height=0.26, color=theme.series[4] if too_full else theme.series[0])
    title = f"{memory.name}: {memory.used_bytes:,} of {memory.capacity_bytes:,} bytes ({share:.1%})"
    if memory.limit_bytes:
        axes.plot([memory.limit_bytes / memory.capacity_bytes] * 2, [0.82, 1.18], color=theme.text, linewidth=1.6)
        title += f", limit {memory.limit_bytes:,}"
    axes.text(0, 1.22, title, va="bottom", color=theme.text, fontsize=FONT_PT, fontweight="bold")
    left = 0.0
    for number, (name, size) in enumerate(largest_parts(memory, len(theme.series))):
        colour = theme.series[number]
        width = size / max(memory.used_bytes, 1)
        axes.barh(0.55, width, left=left, height=0.26, color=colour, edgecolor=theme.background, linewidth=1)
        left += width
        row, column = divmod(number, _LEGEND_COLUMNS)
        axes.text(column / _LEGEND_COLUMNS, 0.34 - 0.22 * row, f"\u25a0 {shorten(name, 22)} {size:,}", va="top",
                  color=colour, fontsize=FONT_PT - 1)  # fmt: skip
