"""The pictures of memory and cycles."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from tinyml.report.collect import Layer, MemoryUse, RunRecord, Tensor
from tinyml.report.theme import FONT_PT, WIDTH_IN, Theme, new_figure, shorten, style

_MAP_HEIGHT_IN = 4.4
_LEGEND_COLUMNS = 3


def memory_map(record: RunRecord, theme: Theme) -> Figure:
    """Arena address over time: what lies where while which layer runs."""
    figure = new_figure(_MAP_HEIGHT_IN, theme)
    axes = figure.add_subplot()
    style(axes, theme, grid="y")
    steps = max(t.last_step for t in record.tensors) + 1
    arena_kb = max(record.arena_bytes, 1) / 1000
    colours = {"tensor": theme.series[0], "scratch": theme.series[1]}
    for tensor in record.tensors:
        left, right = shown_span(tensor, record.tensors)
        height = tensor.size / 1000
        flat = height < 0.02 * arena_kb
        axes.add_patch(Rectangle(
            (left, tensor.offset / 1000), right - left, height, facecolor=colours[tensor.kind],
            edgecolor=colours[tensor.kind] if flat else theme.background, linewidth=1.2, zorder=2,
        ))  # fmt: skip
        _name_tensor(axes, tensor, left, right, steps, arena_kb, theme)
    axes.axhline(arena_kb, color=theme.text, linewidth=1.1, zorder=3)
    axes.text(-0.45, arena_kb * 1.01, f"arena {record.arena_bytes:,} bytes", va="bottom", color=theme.text,
              fontsize=FONT_PT - 1)  # fmt: skip
    if any(t.kind == "scratch" for t in record.tensors):
        axes.text(steps - 0.5, arena_kb * 1.01, "orange: scratch of a layer", va="bottom", ha="right",
                  color=colours["scratch"], fontsize=FONT_PT - 1)  # fmt: skip
    axes.set_xlim(-0.5, steps - 0.5)
    axes.set_ylim(0, arena_kb * 1.08)
    if record.steps:
        names = [shorten(name, 18) for name in record.steps[:steps]]
        axes.set_xticks(range(len(names)), names, rotation=50, ha="right", rotation_mode="anchor")
    axes.set_ylabel("arena offset, kB")
    return figure


def shown_span(tensor: Tensor, tensors: Sequence[Tensor]) -> tuple[float, float]:
    """From where to where a tensor's box goes on the axis of steps, where step n covers [n - 0.5, n + 0.5].

    Where a layer writes over its own input, the box changes hands in the middle of the step.
    """
    others = [o for o in tensors if o.offset < tensor.offset + tensor.size and tensor.offset < o.offset + o.size]
    written_over = any(o.first_step == tensor.last_step > tensor.first_step for o in others)
    writes_over = any(o.last_step == tensor.first_step > o.first_step for o in others)
    return tensor.first_step - (0.0 if writes_over else 0.5), tensor.last_step + (0.0 if written_over else 0.5)


def _name_tensor(
    axes: Axes, tensor: Tensor, left: float, right: float, steps: int, arena_kb: float, theme: Theme
) -> None:
    """Write a tensor's name into its box, upright or turned, when there is room for the letters."""
    width, height = right - left, tensor.size / 1000
    width_pt = width / steps * WIDTH_IN * 72 * 0.88
    height_pt = height / arena_kb * _MAP_HEIGHT_IN * 72 * 0.68
    text = f"{shorten(tensor.name, 22)}  {tensor.size:,}"
    letters_pt = len(text) * FONT_PT * 0.5
    upright = width_pt > letters_pt and height_pt > FONT_PT
    if upright or (height_pt > letters_pt and width_pt > FONT_PT):
        x, y = left + width / 2, tensor.offset / 1000 + height / 2
        axes.text(x, y, text, ha="center", va="center", rotation=0 if upright else 90, color=theme.on_high,
                  fontsize=FONT_PT - 2, zorder=4)  # fmt: skip


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
