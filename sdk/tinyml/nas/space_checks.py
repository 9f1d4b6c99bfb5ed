"""What makes a search space contradict itself; each finding is (what, hint)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod

from tinyml.architecture.network import Geometry, Pair, half, reduced
from tinyml.nas.space import INVERTED_RESIDUAL, SEPARABLE, SearchSpace, StageSpec

MOST_WIDTH, MOST_EXPANSION, MOST_DEPTH, MOST_STRIDE = 8.0, 10.0, 32, 8
Finding = tuple[str, str]


def contradictions(space: SearchSpace) -> Iterator[Finding]:
    """Everything that is wrong, what would hide others first."""
    yield from _choices(space)
    yield from _sizes(space)
    for number, stage in enumerate(space.stages):
        yield from _stage(space, f"stages.{number}", stage)
    yield from _geometries(space)


def _choices(space: SearchSpace) -> Iterator[Finding]:
    """Lists that are empty or name a choice twice."""
    lists: dict[str, Sequence[object]] = {
        "geometries": space.geometries, "widths": space.widths, "stages": space.stages,
        "stem.kernels": space.stem.kernels,
    }  # fmt: skip
    for number, stage in enumerate(space.stages):
        lists |= {f"stages.{number}.{key}": getattr(stage, key) for key in ("depths", "kernels", "expansions")}
    for where, values in lists.items():
        if not values:
            yield f"`{where}` is empty", "leave at least one choice"
        twice = [v for v in values if list(values).count(v) > 1]
        if twice and where != "stages":
            yield f"`{where}` names {_shown(twice[0])} twice", "name each choice once"


def _sizes(space: SearchSpace) -> Iterator[Finding]:
    """Numbers outside what a network can have."""
    for width in space.widths:
        if not 0 < width <= MOST_WIDTH:
            yield f"the width {width:g} is outside (0, {MOST_WIDTH:g}]", "widths multiply channels, 1 leaves them"
    channels = {"stem.channels": space.stem.channels}
    channels |= {f"stages.{number}.channels": stage.channels for number, stage in enumerate(space.stages)}
    for where, count in channels.items():
        if count < 1:
            yield f"`{where}` is {count}", "a layer has at least one channel"
    strides = {"stem.stride": space.stem.stride}
    strides |= {f"stages.{number}.stride": stage.stride for number, stage in enumerate(space.stages)}
    for where, stride in strides.items():
        if not all(1 <= s <= MOST_STRIDE for s in stride):
            yield f"`{where}` is {_shown(stride)}", f"strides are 1 to {MOST_STRIDE}"
    if any(min(kernel) < 1 for kernel in space.stem.kernels):
        yield "`stem.kernels` has a kernel without taps", "kernels are 1 or more along each axis"


def _stage(space: SearchSpace, where: str, stage: StageSpec) -> Iterator[Finding]:
    for depth in stage.depths:
        if not 1 <= depth <= MOST_DEPTH:
            yield f"`{where}.depths` has {depth}", f"a stage has 1 to {MOST_DEPTH} blocks"
    for kernel in stage.kernels:
        if min(kernel) < 1 or any(k % 2 == 0 for k in kernel):
            yield f"`{where}.kernels` has {_shown(kernel)}", "kernels of blocks are odd along each axis, such as 3 or 5"
        if space.stem.collapse and kernel[1] != 1:
            yield (f"the stem collapses the width, but `{where}.kernels` has {_shown(kernel)}",
                   f"write [{kernel[0]}, 1], or collapse = false")  # fmt: skip
    if space.stem.collapse and stage.stride[1] != 1:
        yield (f"the stem collapses the width, but `{where}.stride` is {_shown(stage.stride)}",
               f"write [{stage.stride[0]}, 1], or collapse = false")  # fmt: skip
    least = 1 if space.family == INVERTED_RESIDUAL else 0
    for expansion in stage.expansions:
        if not least <= expansion <= MOST_EXPANSION or not expansion:
            yield (f"`{where}.expansions` has {expansion:g}",
                   f"in the family {space.family} they are {'at least 1' if least else 'above 0'}, at most "
                   f"{MOST_EXPANSION:g}")  # fmt: skip
    first_never_adds = space.family == SEPARABLE or stage.stride != (1, 1)
    if stage.residual and stage.most_blocks == 1 and first_never_adds:
        reason = "its first block changes the shape" if stage.stride != (1, 1) else "only later blocks add their input"
        yield (f"`{where}` is residual, but has one block at most, and {reason}",
               "allow more depths, or say residual = false")  # fmt: skip


def _geometries(space: SearchSpace) -> Iterator[Finding]:
    if len({geometry.hop_ms is None for geometry in space.geometries}) > 1:
        yield "`geometries` has images and spectrograms", "make two spaces of it"
    if len({geometry.channels for geometry in space.geometries}) > 1:
        yield "`geometries` has images of different channels", "make two spaces of it"
    for geometry in space.geometries:
        if geometry.hop_ms is not None and geometry.hop_ms != int(geometry.hop_ms):
            yield f"the hop of {geometry.title} is no whole number of milliseconds", "the firmware counts in those"
        yield from _strides(space, geometry)


def _strides(space: SearchSpace, geometry: Geometry) -> Iterator[Finding]:
    """Whether the strides leave a pixel of the input along each axis."""
    for axis, (name, size) in enumerate((("height", geometry.height), ("width", geometry.width))):
        if axis == 1 and space.stem.collapse:
            continue
        total = prod(stage.stride[axis] for stage in space.stages) * space.stem.stride[axis]
        if total > size:
            yield (f"{geometry.title} is smaller than the strides allow: they make 1 of {total} along its {name}",
                   "take out the geometry, or lower a stride")  # fmt: skip
    for kernel in space.stem.kernels:
        if min(_behind_stem(space, geometry, kernel)) < 1:
            yield f"nothing is left of {geometry.title} behind the stem's kernel {_shown(kernel)}", "use a smaller one"


def _behind_stem(space: SearchSpace, geometry: Geometry, kernel: Pair) -> Pair:
    rows, columns = (geometry.height, geometry.width)
    taps = (kernel[0], columns) if space.stem.collapse else kernel
    padding = (half(taps[0]), 0 if space.stem.collapse else half(taps[1]))
    return reduced((rows, columns), taps, space.stem.stride, padding)


def _shown(value: object) -> str:
    """A choice, as a file has it."""
    if isinstance(value, Geometry):
        return value.title
    if isinstance(value, tuple):
        return f"[{', '.join(str(v) for v in value)}]"
    return f"{value:g}" if isinstance(value, float) else str(value)
