"""What every page has in common: figures as pictures within the page, the templates and how they write numbers."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import matplotlib
from matplotlib.figure import Figure

from tinyml.errors import Progress
from tinyml.report.theme import THEMES, Theme

_TEMPLATES = Path(__file__).parent
_RASTER_DPI = 200  # of what figures hold as pixels


@dataclass(frozen=True)
class Picture:
    """One figure, drawn for light and for dark pages, as data URIs; `alt` says in words what it shows."""

    light: str
    dark: str
    alt: str


def pictures_of(
    drawings: Mapping[str, Callable[[Theme], Figure]], describe: Callable[[str], str], progress: Progress
) -> dict[str, Picture]:
    """Every figure for both kinds of pages; `describe` gives the words for a figure's name."""
    pictures = {}
    for number, (name, draw) in enumerate(drawings.items()):
        pictures[name] = Picture(*(_data_uri(draw(theme)) for theme in THEMES), alt=describe(name))
        progress("drawing the report", number + 1, len(drawings))
    return pictures


def svg(figure: Figure) -> str:
    """The figure as an SVG; ids are salted with a constant, and no date is written, so that pages are reproducible."""
    out = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "tinyml", "svg.fonttype": "path"}):
        figure.savefig(out, format="svg", dpi=_RASTER_DPI, metadata={"Date": None, "Creator": None})
    return _compact(out.getvalue().decode())


_FINER_THAN_SEEN = re.compile(r"\b([1-9]\d*\.\d\d)\d+")
_LINE_ENDS = re.compile(r" *\n *")
_MARKS = re.compile(r"<g( clip-path=\"[^\"]*\")?>\n((?:<use [^>]*style=\"[^\"]*\"/>\n)+)")
_STYLE = re.compile(r" style=\"([^\"]*)\"/>")


def _compact(text: str) -> str:
    """The same picture in about half the bytes: coordinates to a hundredth of a point (what is below 1, factors and
    opacities, as it was), and the style of marks that look alike said once for their group."""
    return _MARKS.sub(_styled_once, _FINER_THAN_SEEN.sub(r"\1", _LINE_ENDS.sub("\n", text)))


def _styled_once(marks: re.Match[str]) -> str:
    styles = set(_STYLE.findall(marks[2]))
    if len(styles) != 1:
        return marks[0]
    return f'<g{marks[1] or ""} style="{styles.pop()}">\n{_STYLE.sub("/>", marks[2])}'


def template(name: str) -> jinja2.Template:
    """A template of this folder. What it writes is escaped; a name that it does not get is an error."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters.update(_FILTERS)
    return environment.get_template(name)


_FILTERS: dict[str, Callable[..., Any]] = {
    "count": lambda value: f"{value:,}",
    "percent": lambda value, digits=1: f"{100 * value:.{digits}f} %",
}


def _data_uri(figure: Figure) -> str:
    return "data:image/svg+xml;base64," + base64.b64encode(svg(figure).encode()).decode()
