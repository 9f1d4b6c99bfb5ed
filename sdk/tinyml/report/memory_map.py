"""The picture of a memory plan: arena address over time, one box for each tensor's life."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import matplotlib
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from tinyml.compiler import Plan
from tinyml.report.collect import RunRecord
from tinyml.report.theme import FONT_PT, LIGHT, WIDTH_IN, Theme, new_figure, shorten, style
from tinyml.storage import writing

_HEIGHT_IN = 4.4
_LEAST_FONT_PT = 5.5
_TEXT_SHARE = 0.86  # of the width: what is said of the peak
_MOST_NAMES = 75  # on the axis of steps; of more, only some are written


class Box(Protocol):
    """A tensor of a record, or a placement of a plan."""

    name: str
    offset: int
    size: int
    first_step: int
    last_step: int
    kind: str


def memory_map(record: RunRecord, theme: Theme) -> Figure:
    """Arena address over time: what lies where while which layer runs."""
    return _draw(record.tensors, record.steps, record.arena_bytes, theme)


def plan_figure(plan: Plan, theme: Theme = LIGHT) -> Figure:
    """The same picture of a plan as the compiler has it."""
    return _draw(plan.placements, [step.name for step in plan.steps], plan.arena_bytes, theme)


def write_plan_figure(plan: Plan, path: Path, theme: Theme = LIGHT) -> Path:
    """`plan_figure` as a PNG or SVG file, by the suffix of `path`. Raises: ProjectError when it cannot be written."""
    unsigned = {"Software": None} if path.suffix == ".png" else {"Date": None, "Creator": None}
    with writing(path) as temporary, matplotlib.rc_context({"svg.hashsalt": "tinyml", "svg.fonttype": "path"}):
        plan_figure(plan, theme).savefig(temporary, format=path.suffix[1:], dpi=160, metadata=unsigned)
    return path


def bytes_in_use(boxes: Sequence[Box], step: int) -> int:
    """Bytes that hold something while `step` runs; those that an output shares with its input count once."""
    total = reach = 0
    for low, high in sorted((b.offset, b.offset + b.size) for b in boxes if b.first_step <= step <= b.last_step):
        total += max(0, high - max(low, reach))
        reach = max(reach, high)
    return total


def shown_span(box: Box, boxes: Sequence[Box]) -> tuple[float, float]:
    """From where to where a tensor's box goes on the axis of steps, where step n covers [n - 0.5, n + 0.5].

    Where a layer writes over its own input, the box changes hands in the middle of the step.
    """
    def follows(late: Box, early: Box) -> bool:
        return late.first_step == early.last_step and _life(early) < _life(late)

    others = [o for o in boxes if o.offset < box.offset + box.size and box.offset < o.offset + o.size]
    written_over = any(follows(o, box) for o in others)
    writes_over = any(follows(box, o) for o in others)
    return box.first_step - (0.0 if writes_over else 0.5), box.last_step + (0.0 if written_over else 0.5)


def _life(box: Box) -> tuple[int, int]:
    return box.first_step, box.last_step


def _draw(boxes: Sequence[Box], names: Sequence[str], arena_bytes: int, theme: Theme) -> Figure:
    figure = new_figure(_HEIGHT_IN, theme)
    axes = figure.add_subplot()
    style(axes, theme, grid="y")
    steps = max(b.last_step for b in boxes) + 1
    peak = max(range(steps), key=lambda step: bytes_in_use(boxes, step))
    arena_kb = max(arena_bytes, 1) / 1000
    colours = {"tensor": theme.series[0], "scratch": theme.series[1], "state": theme.series[2]}
    for box in boxes:
        left, right = shown_span(box, boxes)
        at_peak = box.first_step <= peak <= box.last_step
        _draw_box(axes, box, left, right, arena_kb, colours[box.kind], at_peak, theme)
        _name_box(axes, box, left, right, steps, arena_kb, at_peak, theme)
    axes.axhline(arena_kb, color=theme.text, linewidth=1.1, zorder=3)
    axes.set_xlim(-0.5, steps - 0.5)
    axes.set_ylim(0, arena_kb * 1.2)
    _head(axes, boxes, names, peak, steps, arena_bytes, theme)
    _name_steps(axes, names[:steps], peak)
    axes.set_yticks([tick for tick in axes.get_yticks() if tick <= arena_kb])
    axes.set_ylabel("arena offset, kB")
    return figure


def _draw_box(
    axes: Axes, box: Box, left: float, right: float, arena_kb: float, colour: str, at_peak: bool, theme: Theme
) -> None:
    """Full colour for what is live at the peak, paler for the rest; scratch hatched."""
    height = box.size / 1000
    flat = height < 0.02 * arena_kb
    shade = colour if at_peak else _mixed(colour, theme.background, 0.5)
    scratch = box.kind == "scratch"
    axes.add_patch(Rectangle(
        (left, box.offset / 1000), right - left, height, zorder=2, hatch="/////" if scratch else None,
        facecolor=_mixed(shade, theme.background, 0.7) if scratch else shade,
        edgecolor=shade if scratch or flat else theme.background, linewidth=0.8 if scratch or flat else 1.0,
    ))  # fmt: skip


def _mixed(colour: str | tuple[float, ...], other: str, share: float) -> tuple[float, ...]:
    """`colour` with `share` of `other` in it."""
    return tuple((1 - share) * a + share * b for a, b in zip(to_rgb(colour), to_rgb(other), strict=True))


def _name_box(
    axes: Axes, box: Box, left: float, right: float, steps: int, arena_kb: float, at_peak: bool, theme: Theme
) -> None:
    """Write a tensor's name into its box, upright or turned, when there is room for the letters."""
    width, height = right - left, box.size / 1000
    width_pt = width / steps * WIDTH_IN * 72 * 0.88
    height_pt = height / arena_kb * _HEIGHT_IN * 72 * 0.6
    text = f"{shorten(box.name, 22)}  {box.size:,}"
    along, across = max(width_pt, height_pt), min(width_pt, height_pt)
    font_pt = min(FONT_PT - 2, 0.9 * across)
    if box.kind != "scratch" and font_pt >= _LEAST_FONT_PT and along > 0.62 * font_pt * len(text):
        x, y = left + width / 2, box.offset / 1000 + height / 2
        axes.text(x, y, text, ha="center", va="center", rotation=0 if width_pt > height_pt else 90, zorder=4,
                  fontsize=font_pt, color=theme.on_high if at_peak else theme.text)  # fmt: skip


def _head(
    axes: Axes, boxes: Sequence[Box], names: Sequence[str], peak: int, steps: int, arena_bytes: int, theme: Theme
) -> None:
    """Above the boxes: the arena's size, what hatched boxes are, and which step needs most."""
    arena_kb = max(arena_bytes, 1) / 1000
    axes.text(-0.45, arena_kb * 1.125, f"arena {arena_bytes:,} bytes", va="bottom", color=theme.text,
              fontsize=FONT_PT - 1)  # fmt: skip
    kinds = {box.kind for box in boxes}
    said = [text for kind, text in (("scratch", "hatched: scratch of a layer"), ("state", "green: kept between runs"))
            if kind in kinds]  # fmt: skip
    axes.text(steps - 0.5, arena_kb * 1.125, ", ".join(said), va="bottom", ha="right", color=theme.muted,
              fontsize=FONT_PT - 1)  # fmt: skip
    largest = sorted((b for b in boxes if b.first_step <= peak <= b.last_step), key=lambda b: -b.size)[:2]
    name = f" at {shorten(names[peak], 18)}" if peak < len(names) else ""
    text = f"peak{name}: {bytes_in_use(boxes, peak):,} bytes in use, most by "
    text += " and ".join(f"{shorten(b.name, 16)} {b.size:,}" for b in largest)
    axes.plot([peak], [arena_kb * 1.035], marker="v", color=theme.series[4], markersize=6, linestyle="none")
    middle = min(max(peak, _TEXT_SHARE / 2 * steps), (1 - _TEXT_SHARE / 2) * steps)  # of the text, which keeps inside
    axes.text(middle - 0.5, arena_kb * 1.055, text, va="bottom", ha="center", color=theme.series[4],
              fontsize=FONT_PT - 1.5)  # fmt: skip


def _name_steps(axes: Axes, names: Sequence[str], peak: int) -> None:
    """Step names, slanted where there is room and upright where there are many; of very many only some."""
    if not names:
        return
    every = -(-len(names) // _MOST_NAMES)
    places = [n for n in range(len(names)) if n % every == 0 or n == peak]
    if len(places) > 24:
        axes.set_xticks(places, [shorten(names[n], 20) for n in places], rotation=90)
        axes.tick_params(axis="x", labelsize=max(4.5, min(FONT_PT - 2, 420 / len(places))))
    else:
        axes.set_xticks(places, [shorten(names[n], 18) for n in places], rotation=50, ha="right",
                        rotation_mode="anchor")  # fmt: skip
