"""Search spaces as TOML files: the shipped ones of `nas/spaces/`, and a project's own.

    schema = 1
    name = "tiny"
    family = "separable"                        # or "inverted_residual"
    widths = [0.5, 0.75, 1]                     # or { min = 0.5, max = 1, step = 0.25 }
    geometries = [
        { mel_bins = 40, frames = 49, hop_ms = 20 },
    ]
    stem = { channels = 24, kernels = [[10, 4]], stride = [2, 2] }
    head = { channels = 64 }                    # may be left out

    [[stages]]
    channels = 32
    stride = [1, 1]
    depths = { min = 1, max = 3 }
    kernels = [3, 5, [9, 1]]                    # 3 is [3, 3]
    expansions = [1]
    residual = true

What contradicts itself is refused when the file is read. docs/search-space.md describes every key.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, StrictBool
from pydantic.dataclasses import dataclass

from tinyml.architecture.file import GeometryTable, HeadTable, number
from tinyml.architecture.network import Geometry
from tinyml.errors import ProjectError
from tinyml.features import LogMelSpec
from tinyml.nas.space import INVERTED_RESIDUAL, SEPARABLE, SearchSpace, StageSpec, StemSpec
from tinyml.nas.space_checks import contradictions
from tinyml.resources import PACKAGE_DIR
from tinyml.toml_file import read_table, validated

WHAT, REFERENCE = "search space", "docs/search-space.md describes every key"
SHIPPED_DIR = PACKAGE_DIR / "nas" / "spaces"
LEAST_FRAMES = 8
"""Examples begin with silence that is this much shorter than a window."""
_STRICT = ConfigDict(extra="forbid")
_MOST_CHOICES = 1000


def _choices(value: Any) -> Any:
    """`{ min, max, step }` as the list it stands for. Raises: ValueError."""
    if not isinstance(value, dict):
        return value
    low, high, step = value.get("min"), value.get("max"), value.get("step", 1)
    given = [low, high, step]
    if not set(value) <= {"min", "max", "step"} or any(isinstance(v, bool) or not isinstance(v, int | float)
                                                       for v in given):  # fmt: skip
        raise ValueError("a range is { min = ..., max = ..., step = ... }")
    if low > high:
        raise ValueError(f"min {low:g} is greater than max {high:g}")
    if step <= 0 or (high - low) / step > _MOST_CHOICES:
        raise ValueError(f"the step {step:g} does not lead from {low:g} to {high:g}")
    count = int((high - low) / step + 1e-9) + 1
    return [number(round(low + i * step, 6)) for i in range(count)]


def _kernel(value: Any) -> Any:
    """3 as [3, 3]."""
    return [value, value] if isinstance(value, int) else value


_Strict = Annotated[int, Field(strict=True)]
_Pair = tuple[_Strict, _Strict]
_Kernels = tuple[Annotated[_Pair, BeforeValidator(_kernel)], ...]
_Numbers = Annotated[tuple[float, ...], BeforeValidator(_choices)]
_Counts = Annotated[tuple[_Strict, ...], BeforeValidator(_choices)]


@dataclass(frozen=True, config=_STRICT)
class _Stem:
    channels: _Strict
    kernels: _Kernels
    stride: _Pair
    collapse: StrictBool = False


@dataclass(frozen=True, config=_STRICT)
class _Stage:
    channels: _Strict
    stride: _Pair
    depths: _Counts
    kernels: _Kernels
    expansions: _Numbers
    residual: StrictBool


@dataclass(frozen=True, config=_STRICT)
class _File:
    schema: Literal[1]
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+$")]
    family: Literal["inverted_residual", "separable"]
    widths: _Numbers
    geometries: tuple[GeometryTable, ...]
    stem: _Stem
    stages: tuple[_Stage, ...]
    head: HeadTable | None = None


def shipped_spaces() -> list[str]:
    """Names of the spaces that come with tinyml."""
    return sorted(path.stem for path in SHIPPED_DIR.glob("*.toml"))


def load_space(reference: str, folder: Path) -> SearchSpace:
    """The shipped space called `reference`, or that of the file `folder / reference` when it ends in .toml.

    Raises: ProjectError for an unknown name, a missing file, or one that contradicts itself.
    """
    if reference.endswith(".toml"):
        path = folder / reference
        if not path.is_file():
            raise ProjectError(f"the search space `{path}` does not exist",
                               hint=f"write it ({REFERENCE}), or use {_listed()}")  # fmt: skip
        return read_space(path)
    if reference not in shipped_spaces():
        near = difflib.get_close_matches(reference, shipped_spaces(), n=1)
        raise ProjectError(f"there is no search space `{reference}`",
                           hint=f"did you mean `{near[0]}`?" if near else
                           f"use {_listed()}, or a file of your own: space.toml")  # fmt: skip
    return read_space(SHIPPED_DIR / f"{reference}.toml")


def _listed() -> str:
    return f"one that is shipped: {', '.join(shipped_spaces()) or 'none'}"


def read_space(path: Path) -> SearchSpace:
    """Read a space. Raises: ProjectError for a file that is none, and for the first thing that contradicts itself."""
    file = validated(_File, read_table(path), path, WHAT, REFERENCE)
    geometries = tuple(g.geometry(path, WHAT, f"geometries.{i}") for i, g in enumerate(file.geometries))
    space = SearchSpace(
        file.name, SEPARABLE if file.family == SEPARABLE else INVERTED_RESIDUAL, geometries, file.widths,
        StemSpec(**vars(file.stem)), tuple(StageSpec(**vars(stage)) for stage in file.stages),
        file.head.channels if file.head else 0,
    )  # fmt: skip
    _refuse(contradictions(space), path.name)
    return space


def _refuse(problems: Iterable[tuple[str, str]], name: str) -> None:
    """Raises: ProjectError for the first of `problems` (what, hint)."""
    for what, hint in problems:
        raise ProjectError(f"{name} contradicts itself: {what}", hint=hint)


def check_front_end(
    space: SearchSpace, *, sample_rate_hz: int, frame_ms: float, inferences_per_second: int
) -> None:
    """Whether a project's front end can compute every geometry of `space`, at its rate of inferences.

    Raises: ProjectError naming the first geometry that it cannot.
    """
    for geometry, problem, hint in _front_end_problems(space.geometries, sample_rate_hz, frame_ms,
                                                       inferences_per_second):  # fmt: skip
        raise ProjectError(f"the search space `{space.name}` does not suit this project: {geometry.title}: {problem}",
                           hint=hint)  # fmt: skip


def _front_end_problems(
    geometries: Sequence[Geometry], sample_rate_hz: int, frame_ms: float, inferences_per_second: int
) -> Iterator[tuple[Geometry, str, str | None]]:
    for geometry in geometries:
        if geometry.hop_ms is None:
            yield geometry, "this is an image, the project hears sound", "use a space of spectrograms"
            continue
        try:
            LogMelSpec(sample_rate_hz, frame_ms, geometry.hop_ms, geometry.width)
        except ProjectError as error:
            yield geometry, error.message.removeprefix("features: "), error.hint
            continue
        if geometry.height < LEAST_FRAMES:
            yield geometry, f"a window has at least {LEAST_FRAMES} frames", "take the geometry out of the space"
        if 1000 % (inferences_per_second * geometry.hop_ms):
            yield (geometry, f"{inferences_per_second} inferences a second are not a whole number of "
                   f"{geometry.hop_ms:g} ms hops", "change `detect.inferences_per_second` or take that hop out of the "
                   "space")  # fmt: skip
