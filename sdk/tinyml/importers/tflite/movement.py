"""Operators that move elements: PAD, CONCATENATION, SPLIT, SLICE, TRANSPOSE."""

from __future__ import annotations

from tinyml.importers.tflite import schema
from tinyml.importers.tflite.registry import converts
from tinyml.importers.tflite.site import Site
from tinyml.ops import Concat, Pad, Slice, Transpose


def _pairs(site: Site) -> tuple[tuple[int, int], ...]:
    rank = len(site.tensor(0).shape)
    if site.tensor(1).shape != (rank, 2):
        raise site.error(f"its paddings are {site.tensor(1).kind}; expected [{rank}, 2]")
    flat = site.integers(1)
    return tuple(zip(flat[::2], flat[1::2], strict=True))


@converts("PAD", newest=4)
def pad(site: Site) -> None:
    site.expect((2,))
    site.emit(Pad(_pairs(site)), site.activation())


@converts("PADV2", newest=4)
def padv2(site: Site) -> None:
    site.expect((3,))
    value = site.constant(2, ("int8",))
    if value.size != 1 or site.tensor(2).quant != site.tensor(0).quant:
        raise site.error("the value that it pads with must be one number in the input's quantisation")
    site.emit(Pad(_pairs(site), int(value.ravel()[0])), site.activation())


@converts("CONCATENATION", newest=5, options=schema.Options.concatenation)
def concatenation(site: Site) -> None:
    if site.choice(schema.Concatenation.activation, schema.ACTIVATIONS) != "NONE":
        raise site.error("a fused activation is not supported", "apply the activation before")
    count = len(site.operator.inputs)
    site.expect((max(count, 1),))
    axis = site.axis(site.option(schema.Concatenation.axis, "int32"), len(site.tensor(0).shape))
    site.emit(Concat(axis), *(site.activation(i) for i in range(count)))


@converts("SPLIT", newest=4, options=schema.Options.split)
def split(site: Site) -> None:
    parts = len(site.operator.outputs)
    site.expect((2,), max(parts, 1))
    shape = site.tensor(1).shape
    axis = _split_axis(site, 0, len(shape))
    if shape[axis] % parts:
        raise site.error(f"axis {axis} of {list(shape)} cannot be split into {parts} equal parts")
    _emit_parts(site, 1, axis, [shape[axis] // parts] * parts)


@converts("SPLIT_V", newest=2, options=schema.Options.split_v)
def split_v(site: Site) -> None:
    parts = len(site.operator.outputs)
    site.expect((3,), max(parts, 1))
    shape, sizes = site.tensor(0).shape, site.integers(1, 1024)
    axis = _split_axis(site, 2, len(shape))
    if sizes.count(-1) == 1:
        sizes[sizes.index(-1)] = shape[axis] - sum(n for n in sizes if n != -1)
    if len(sizes) != parts or min(sizes) < 1 or sum(sizes) != shape[axis]:
        raise site.error(f"axis {axis} of {list(shape)} cannot be split into {parts} parts of sizes {sizes}")
    _emit_parts(site, 0, axis, sizes)


def _split_axis(site: Site, position: int, rank: int) -> int:
    axes = site.integers(position)
    if len(axes) != 1:
        raise site.error(f"it is split along {len(axes)} axes; expected 1")
    return site.axis(axes[0], rank)


def _emit_parts(site: Site, position: int, axis: int, sizes: list[int]) -> None:
    shape, value, start = site.tensor(position).shape, site.activation(position), 0
    for part, size in enumerate(sizes):
        begin = tuple(start if a == axis else 0 for a in range(len(shape)))
        part_shape = tuple(size if a == axis else n for a, n in enumerate(shape))
        site.emit(Slice(begin, part_shape, (1,) * len(shape)), value, position=part)
        start += size


@converts("SLICE", newest=7)
def slice_(site: Site) -> None:
    """A size of -1 reaches to the end of the axis."""
    site.expect((3,))
    shape, begin, sizes = site.tensor(0).shape, site.integers(1), site.integers(2)
    if not len(begin) == len(sizes) == len(shape):
        raise site.error(f"begin {begin} and size {sizes} do not fit the input's {len(shape)} axes")
    sizes = [n - b if s == -1 else s for n, b, s in zip(shape, begin, sizes, strict=True)]
    site.emit(Slice(tuple(begin), tuple(sizes), (1,) * len(shape)), site.activation())


@converts("STRIDED_SLICE", newest=8, options=schema.Options.strided_slice)
def strided_slice(site: Site) -> None:
    """Bounds as in Python's slices; an axis whose bit is in the shrink mask is dropped."""
    site.expect((4,))
    o, shape = schema.StridedSlice, site.tensor(0).shape
    begin, end, stride = site.integers(1), site.integers(2), site.integers(3)
    masks = {f: site.option(f, "int32") for f in (o.begin_mask, o.end_mask, o.shrink_axis_mask)}
    if site.option(o.ellipsis_mask, "int32") or site.option(o.new_axis_mask, "int32") or site.option(o.offset, "bool"):
        raise site.error("an ellipsis, new axes and offsets are not supported", "slice with begin, end and stride only")
    if not len(begin) == len(end) == len(stride) == len(shape) or 0 in stride:
        raise site.error(f"begin {begin}, end {end} and strides {stride} do not fit the input {list(shape)}")
    starts, counts, steps = [], [], []
    for axis, size in enumerate(shape):
        bits = {f: bool(mask >> axis & 1) for f, mask in masks.items()}
        first = None if bits[o.begin_mask] else begin[axis]
        cells = range(size)[first : None if bits[o.end_mask] else end[axis] : stride[axis]]
        if bits[o.shrink_axis_mask]:
            index = 0 if first is None else first + size * (first < 0)
            cells = range(index, index + 1)
        starts.append(cells.start)
        counts.append(len(cells))
        steps.append(cells.step)
    site.emit_reshaped(Slice(tuple(starts), tuple(counts), tuple(steps)), site.activation())


@converts("TRANSPOSE", newest=7)
def transpose(site: Site) -> None:
    site.expect((2,))
    rank = len(site.tensor(0).shape)
    site.emit(Transpose(tuple(site.axis(a, rank) for a in site.integers(1))), site.activation())
