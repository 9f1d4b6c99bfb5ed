"""Colours and lettering of the figures, once for light and once for dark pages."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.colors import Colormap, LinearSegmentedColormap
from matplotlib.figure import Figure

WIDTH_IN = 7.2
FONT_PT = 9.5


@dataclass(frozen=True)
class Theme:
    """`series` are the categorical colours in the order of use; `low` to `high` is the sequential scale."""

    name: str
    background: str
    text: str
    muted: str
    grid: str
    series: tuple[str, ...]
    low: str
    high: str
    on_high: str

    @property
    def sequential(self) -> Colormap:
        return LinearSegmentedColormap.from_list(f"tinyml-{self.name}", [self.low, self.high])


LIGHT = Theme(
    "light", "#ffffff", "#1d2329", "#66707b", "#dfe3e8",
    ("#2f6db5", "#d97a1f", "#2f9470", "#8a5fb5", "#b8475f", "#8b95a1"),
    "#f3f6fa", "#1f5c9e", "#ffffff",
)  # fmt: skip
DARK = Theme(
    "dark", "#14181d", "#e4e8ec", "#98a2ad", "#2e353d",
    ("#6aa5ea", "#eda152", "#5fc39b", "#b795e0", "#e57f94", "#7d8792"),
    "#1b2129", "#7db4f0", "#0e1217",
)  # fmt: skip
THEMES = (LIGHT, DARK)


def new_figure(height_in: float, theme: Theme) -> Figure:
    """A figure without pyplot, so that no global state of matplotlib is touched."""
    return Figure(figsize=(WIDTH_IN, height_in), layout="constrained", facecolor=theme.background)


def style(axes: Axes, theme: Theme, *, grid: str = "", frame: Iterable[str] = ("left", "bottom")) -> None:
    """Plain axes: only the sides named in `frame`, hairlines on the axis `grid` ("x", "y" or none)."""
    axes.set_facecolor(theme.background)
    for side, spine in axes.spines.items():
        spine.set_visible(side in frame)
        spine.set_color(theme.grid)
    axes.tick_params(colors=theme.muted, labelcolor=theme.text, labelsize=FONT_PT - 1, length=3, width=0.7)
    for label in (axes.xaxis.label, axes.yaxis.label):
        label.set_color(theme.muted)
        label.set_fontsize(FONT_PT - 0.5)
    if grid:
        axes.grid(axis=grid, color=theme.grid, linewidth=0.7)
        axes.set_axisbelow(True)


def shorten(text: str, most: int) -> str:
    """`text` in at most `most` letters."""
    return text if len(text) <= most else text[: most - 1] + "\u2026"
