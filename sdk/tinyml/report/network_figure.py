"""The drawing of a network: its tensors from left to right in their blocks, and below each layer the SRAM in use."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import FancyBboxPatch, Patch, Rectangle
from matplotlib.ticker import MaxNLocator

from tinyml.architecture import Architecture, Block, Layer
from tinyml.architecture.network import Pair
from tinyml.architecture.weightless import graph
from tinyml.board import Isa
from tinyml.compiler.schedule import reorder, schedule
from tinyml.report.theme import FONT_PT, Theme, new_figure, style

_MOST_COLUMNS = 34  # in a row of the drawing
_DRAWING_IN, _BARS_IN = 1.75, 1.25
_LETTER_PT = FONT_PT - 2.5
_BUDGET_SHOWN = 1.8  # of the peak: a budget beyond is written, not drawn
_TOP, _FLOOR = 1.62, -0.42  # of a drawing, whose tallest tensor is 1 high


@dataclass(frozen=True)
class StepUse:
    """Bytes that are in use while `layers` run: one layer, or a chain that runs row by row."""

    layers: tuple[str, ...]
    used_bytes: int


def memory_use(arch: Architecture, isa: Isa) -> tuple[StepUse, ...]:
    """What each step of the compiled network needs, in the order of execution, as the compiler plans it.

    Raises: GraphError for a network that the operators do not support.
    """
    planned = schedule(reorder(graph(arch), isa), isa)
    chains = {chain.name: chain.nodes for chain in planned.chains}
    return tuple(StepUse(chains.get(step.name, (step.name,)), planned.plan.bytes_used(number))
                 for number, step in enumerate(planned.plan.steps))  # fmt: skip


@dataclass(frozen=True)
class _Group:
    """Layers that are drawn together, a column each, from `left` on. `above` and `below` are lines of text."""

    name: str
    layers: tuple[Layer, ...]
    left: float
    above: tuple[str, ...]
    below: tuple[str, ...]
    residual: bool = False

    @property
    def width(self) -> float:
        """In columns; letters need at least two."""
        return max(len(self.layers), 2.0)

    @property
    def right(self) -> float:
        return self.left + self.width

    @property
    def middle(self) -> float:
        return self.left + self.width / 2

    @property
    def columns(self) -> tuple[float, ...]:
        """Where the layers' middles are."""
        return tuple(self.middle + i - (len(self.layers) - 1) / 2 for i in range(len(self.layers)))


def network_drawing(
    arch: Architecture, uses: Sequence[StepUse], ram_budget: int | None, theme: Theme
) -> Figure:
    """Rows of blocks; with `uses` a second picture below each row: bytes in use, layer by layer, beside the budget."""
    groups = list(_groups(arch))
    rows = _rows(groups)
    widest = max(row[-1].right - row[0].left for row in rows)
    heights = ([_DRAWING_IN] + ([_BARS_IN] if uses else [])) * len(rows)
    figure = new_figure(sum(heights) + 0.45, theme)
    grid = figure.subplots(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0]
    each = 2 if uses else 1
    for number, row in enumerate(rows):
        _draw_row(grid[each * number], row, arch, theme)
        if uses:
            _draw_bars(grid[each * number + 1], row, uses, ram_budget, theme)
        for axes in grid[each * number : each * (number + 1)]:
            axes.set_xlim(row[0].left - 0.1, row[0].left + widest + 0.1)
    figure.legend(handles=_legend(uses, ram_budget, theme), loc="outside lower left", ncols=5, frameon=False,
                  labelcolor=theme.text, fontsize=FONT_PT - 1.5, columnspacing=1.3, handlelength=1.3)  # fmt: skip
    return figure


def _groups(arch: Architecture) -> Iterator[_Group]:
    """Stem, blocks and head with what is written at them; mean and classifier together."""
    layers = {layer.name: layer for layer in arch.layers}
    stem = layers["stem"]
    group = _Group("stem", (stem,), 0.0, (_pair(stem.kernel), *_stride(stem.stride)), _below(stem))
    yield group
    channels = arch.stem.channels
    for number, block in enumerate(arch.blocks):
        own = tuple(layer for name, layer in layers.items() if name.startswith(f"block{number}_"))
        out = next(layer for layer in own if layer.name.endswith("_project"))
        group = _Group(str(number + 1), own, group.right, _above(block, channels), _below(out), block.residual)
        yield group
        channels = block.channels
    if "head" in layers:
        group = _Group("head", (layers["head"],), group.right, ("1x1",), _below(layers["head"]))
        yield group
    yield _Group("scores", (layers["mean"], layers["classifier"]), group.right, (), (f"{arch.classes}", "classes"))


def _above(block: Block, channels: int) -> tuple[str, ...]:
    expansion = (f"e{block.hidden / channels:.2g}",) if block.hidden else ()
    return _pair(block.kernel), *expansion, *_stride(block.stride)


def _below(layer: Layer) -> tuple[str, ...]:
    return f"{layer.shape[-1]} ch", _pair(layer.shape[:2])


def _pair(sizes: tuple[int, ...]) -> str:
    return f"{sizes[0]}x{sizes[1]}"


def _stride(stride: Pair) -> tuple[str, ...]:
    if stride == (1, 1):
        return ()
    return (f"s{stride[0]}" if stride[0] == stride[1] else f"s{_pair(stride)}",)


def _rows(groups: Sequence[_Group]) -> list[list[_Group]]:
    """Groups in as few rows as hold them, the rows about equally long."""
    total = groups[-1].right
    target = total / ceil(total / _MOST_COLUMNS)
    rows: list[list[_Group]] = [[]]
    for group in groups:
        if rows[-1] and group.middle > target * len(rows):
            rows.append([])
        rows[-1].append(group)
    return rows


def _colours(theme: Theme) -> dict[str, str]:
    return {"conv": theme.series[0], "depthwise": theme.series[1], "add": theme.series[2], "mean": theme.series[5],
            "linear": theme.series[3]}  # fmt: skip


def _draw_row(axes: Axes, row: Sequence[_Group], arch: Architecture, theme: Theme) -> None:
    """Every layer's output as a slab, as high as the root of its height and as wide as that of its channels."""
    style(axes, theme, frame=())
    colours, tallest = _colours(theme), max(layer.shape[0] for layer in arch.layers if len(layer.shape) == 3)
    most = max(layer.shape[-1] for layer in arch.layers)
    for group in row:
        axes.add_patch(FancyBboxPatch(
            (group.left + 0.08, -0.06), group.width - 0.16, 1.12, boxstyle="round,pad=0,rounding_size=0.12",
            facecolor=theme.low, edgecolor=theme.grid, linewidth=0.8, zorder=1, mutation_aspect=0.15,
        ))  # fmt: skip
        for column, layer in zip(group.columns, group.layers, strict=True):
            height = max((layer.shape[0] / tallest) ** 0.5 if len(layer.shape) == 3 else 0.0, 0.05)
            width = 0.1 + 0.66 * (layer.shape[-1] / most) ** 0.5
            axes.add_patch(Rectangle((column - width / 2, 0.5 - height / 2), width, height, zorder=3, linewidth=0.5,
                                     facecolor=colours[layer.kind], edgecolor=theme.background))  # fmt: skip
        if group.residual:
            axes.annotate("", (group.columns[-1], 1.04), (group.left, 1.04), zorder=4, arrowprops={
                "arrowstyle": "->", "connectionstyle": "arc3,rad=-0.18", "color": theme.series[2], "linewidth": 1.2,
                "shrinkA": 0, "shrinkB": 0, "mutation_scale": 7})  # fmt: skip
        for lines, y, anchor in ((group.above, 1.2, "bottom"), (group.below, -0.1, "top")):
            axes.text(group.middle, y, "\n".join(lines), ha="center", va=anchor, color=theme.text, linespacing=1.15,
                      fontsize=_LETTER_PT)  # fmt: skip
    axes.set_ylim(_FLOOR, _TOP)
    axes.set_xticks([])
    axes.set_yticks([])


def _draw_bars(
    axes: Axes, row: Sequence[_Group], uses: Sequence[StepUse], ram_budget: int | None, theme: Theme
) -> None:
    """Bytes in use under each layer; chains, hatched, under all their layers. The peak is red and has its bytes."""
    style(axes, theme, grid="y", frame=("bottom",))
    columns = {layer.name: column for group in row for column, layer in zip(group.columns, group.layers, strict=True)}
    peak = max(use.used_bytes for use in uses)
    for use in uses:
        places = [columns[name] for name in use.layers if name in columns]
        if not places:
            continue
        left, right = min(places) - 0.42, max(places) + 0.42
        full, chain = use.used_bytes == peak, len(use.layers) > 1
        colour = theme.series[4] if full else theme.series[0]
        axes.add_patch(Rectangle(
            (left, 0), right - left, use.used_bytes / 1000, facecolor=colour, edgecolor=theme.background,
            linewidth=0.4, hatch="////" if chain else None, zorder=2,
        ))  # fmt: skip
        if full:
            axes.text((left + right) / 2, peak / 1000, f"{peak:,}", ha="center", va="bottom", color=colour,
                      fontsize=_LETTER_PT, fontweight="bold", zorder=4)  # fmt: skip
    top = 1.28 * peak / 1000
    if _shows_budget(ram_budget, uses):
        top = max(top, 1.1 * ram_budget / 1000)
        axes.axhline(ram_budget / 1000, color=theme.text, linewidth=1.1, linestyle=(0, (5, 3)), zorder=3)
    axes.set_ylim(0, top)
    axes.set_ylabel("kB in use")
    axes.yaxis.set_major_locator(MaxNLocator(3, integer=True))
    axes.set_xticks([group.middle for group in row], [group.name for group in row], fontsize=_LETTER_PT)
    axes.tick_params(axis="x", length=0)


def _shows_budget(ram_budget: int | None, uses: Sequence[StepUse]) -> bool:
    """Whether the budget is a line in the picture: one far above the bars would make them small."""
    return ram_budget is not None and ram_budget <= _BUDGET_SHOWN * max(use.used_bytes for use in uses)


def _legend(uses: Sequence[StepUse], ram_budget: int | None, theme: Theme) -> list[Patch | Line2D]:
    names = {"conv": "convolution", "depthwise": "depthwise", "add": "addition", "mean": "mean", "linear": "scores"}
    found: list[Patch | Line2D] = [Patch(color=_colours(theme)[kind], label=name) for kind, name in names.items()]
    if uses:
        found.append(Patch(color=theme.series[4], label="most SRAM"))
        if any(len(use.layers) > 1 for use in uses):
            found.append(Patch(facecolor=theme.series[0], edgecolor=theme.background, hatch="////",
                               label="layers that run row by row"))  # fmt: skip
        if ram_budget is not None:
            line = (0, (5, 3)) if _shows_budget(ram_budget, uses) else "none"
            label = "budget" if line != "none" else f"budget {ram_budget:,} bytes"
            found.append(Line2D([], [], color=theme.text, linewidth=1.1, linestyle=line, label=label))
    return found
