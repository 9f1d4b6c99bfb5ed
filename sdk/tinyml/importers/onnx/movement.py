"""Operators that move or choose elements: most of them only rename axes."""

from __future__ import annotations

from math import prod

import numpy as np

from tinyml import ops
from tinyml.importers.onnx.convert import Converter, Tensor, compute, movement
from tinyml.importers.onnx.layout import Layout
from tinyml.importers.onnx.model import OnnxNode
from tinyml.importers.onnx.quant import Target

Axes = tuple[int, ...]


@movement("Identity", "Dropout", status="folded")
def same(converter: Converter, node: OnnxNode, tensor: Tensor) -> tuple[Tensor, ...]:
    if len(node.outputs) > 1 and node.outputs[1]:
        raise node.error("its mask is not supported")
    return (tensor,)


@movement("Transpose", status="folded")
def transpose(converter: Converter, node: OnnxNode, tensor: Tensor) -> tuple[Tensor, ...]:
    rank = len(tensor.shape)
    perm = node.ints("perm", tuple(range(rank))[::-1], rank)
    if sorted(perm) != list(range(rank)):
        raise node.error(f"{list(perm)} is not a permutation of the {rank} axes")
    return (Tensor(tensor.value, tensor.layout.transposed(perm)),)


@movement("Reshape", status="folded")
def reshape(converter: Converter, node: OnnxNode, tensor: Tensor) -> tuple[Tensor, ...]:
    asked = [int(n) for n in converter.constant(node, 1).ravel()]
    keeps_zero = bool(node.int("allowzero", 0))
    sizes = [tensor.shape[i] if n == 0 and not keeps_zero and i < len(tensor.shape) else n for i, n in enumerate(asked)]
    total = prod(tensor.shape)
    if sizes.count(-1) == 1:
        rest = prod(n for n in sizes if n != -1)
        sizes[sizes.index(-1)] = total // rest if rest > 0 else 0
    if any(n < 1 for n in sizes) or prod(sizes) != total:
        raise node.error(f"an input {list(tensor.shape)} cannot be reshaped to {asked}",
                         hint="export the model with batch size 1")  # fmt: skip
    return (_under(converter, node, tensor, tuple(sizes)),)


def _under(converter: Converter, node: OnnxNode, tensor: Tensor, shape: Axes) -> Tensor:
    """The tensor under another shape, moved to ONNX's order first when memory's order does not allow it."""
    layout = tensor.layout.reshaped(shape)
    if layout is not None:
        return Tensor(tensor.value, layout)
    rank = len(tensor.shape)
    order = tuple(range(rank)) if tensor.shape[:1] == (1,) else (None, *range(rank))
    return Tensor(converter.arranged(tensor, order, node), Layout.of(shape))


@movement("Flatten", status="folded")
def flatten(converter: Converter, node: OnnxNode, tensor: Tensor) -> tuple[Tensor, ...]:
    rank = len(tensor.shape)
    axis = node.int("axis", 1)
    if not -rank <= axis <= rank:
        raise node.error(f"axis {axis} does not exist in an input {list(tensor.shape)}")
    axis = axis + rank if axis < 0 else axis
    return (_under(converter, node, tensor, (prod(tensor.shape[:axis]), prod(tensor.shape[axis:]))),)


@movement("Squeeze", status="folded")
def squeeze(converter: Converter, node: OnnxNode, tensor: Tensor) -> tuple[Tensor, ...]:
    shape = tensor.shape
    default = tuple(a for a, n in enumerate(shape) if n == 1)
    axes = _axes(converter, node, 1, len(shape), default)
    if any(shape[a] != 1 for a in axes):
        raise node.error(f"axes {list(axes)} of an input {list(shape)} are not all 1")
    return (_under(converter, node, tensor, tuple(n for a, n in enumerate(shape) if a not in axes)),)


@movement("Unsqueeze", status="folded")
def unsqueeze(converter: Converter, node: OnnxNode, tensor: Tensor) -> tuple[Tensor, ...]:
    count = converter.constant(node, 1).size
    axes = _axes(converter, node, 1, len(tensor.shape) + count, ())
    sizes = iter(tensor.shape)
    shape = tuple(1 if a in axes else next(sizes) for a in range(len(tensor.shape) + len(axes)))
    return (_under(converter, node, tensor, shape),)


def _axes(converter: Converter, node: OnnxNode, index: int, rank: int, default: Axes) -> Axes:
    """Axes from a constant input, counted from 0. Raises: OnnxError for axes that do not exist or repeat."""
    axes = default
    if node.optional(index):
        axes = tuple(int(a) for a in converter.constant(node, index).ravel())
    return axes_input(node, axes, rank)


def axes_input(node: OnnxNode, axes: Axes, rank: int) -> Axes:
    """Axes counted from 0. Raises: OnnxError for axes that do not exist or repeat."""
    if any(not -rank <= a < rank for a in axes) or len({a % rank for a in axes}) != len(axes):
        raise node.error(f"axes {list(axes)} do not fit {rank} axes")
    return tuple(a % rank for a in axes)


def axis_of(node: OnnxNode, tensor: Tensor, default: int) -> int:
    """The attribute `axis`, counted from 0."""
    rank = len(tensor.shape)
    axis = node.int("axis", default)
    if not -rank <= axis < rank:
        raise node.error(f"axis {axis} does not exist in an input {list(tensor.shape)}")
    return axis % rank


@movement("Slice")
def slices(converter: Converter, node: OnnxNode, tensor: Tensor) -> tuple[Tensor, ...]:
    starts, ends = ([int(n) for n in converter.constant(node, i).ravel()] for i in (1, 2))
    axes = _axes(converter, node, 3, len(tensor.shape), tuple(range(min(len(starts), len(tensor.shape)))))
    steps = [int(n) for n in converter.constant(node, 4).ravel()] if node.optional(4) else [1] * len(starts)
    if not len(starts) == len(ends) == len(axes) == len(steps):
        raise node.error("starts, ends, axes and steps have different lengths")
    if any(step < 1 for step in steps):
        raise node.error("steps below 1 are not supported")
    ranges = {
        a: range(*slice(b, e, s).indices(tensor.shape[a])) for a, b, e, s in zip(axes, starts, ends, steps, strict=True)
    }
    return (_sliced(converter, node, node.outputs[0], tensor, ranges),)


def _sliced(converter: Converter, node: OnnxNode, name: str, tensor: Tensor, ranges: dict[int, range]) -> Tensor:
    """The part of a tensor whose indices lie in `ranges` (by ONNX axis)."""
    if any(not r for r in ranges.values()):
        raise node.error(f"nothing is left of an input {list(tensor.shape)}")
    if all(len(r) == tensor.shape[a] for a, r in ranges.items()):
        return tensor
    value, order = converter.natural(tensor, node)
    full = converter.builder.types[value].shape
    parts = [ranges.get(a, range(n)) if a is not None else range(1) for a, n in zip(order, full, strict=True)]
    begin, size, stride = (tuple(f(r) for r in parts) for f in (lambda r: r.start, len, lambda r: r.step))
    value = converter.emit(name, node, ops.Slice(begin, size, stride), value)
    shape = tuple(len(ranges[a]) if a in ranges else n for a, n in enumerate(tensor.shape))
    return Tensor(value, Layout.of(shape, _axes_in(order)))


def _axes_in(order: tuple[int | None, ...]) -> Axes:
    return tuple(a for a in order if a is not None)


@movement("Split")
def split(converter: Converter, node: OnnxNode, tensor: Tensor) -> tuple[Tensor, ...]:
    axis = axis_of(node, tensor, 0)
    size, parts = tensor.shape[axis], len(node.outputs)
    if node.optional(1):
        sizes = [int(n) for n in converter.constant(node, 1).ravel()]
    else:
        each = -(-size // parts)
        sizes = [each] * (parts - 1) + [size - each * (parts - 1)]
    if len(sizes) != parts or sum(sizes) != size or min(sizes) < 1:
        raise node.error(f"axis {axis} of {size} cannot be split into {sizes}")
    starts = np.cumsum([0, *sizes]).tolist()
    return tuple(
        _sliced(converter, node, name, tensor, {axis: range(start, start + n)}) if name else tensor
        for name, start, n in zip(node.outputs, starts, sizes, strict=False)
    )


@movement("Pad")
def pad(converter: Converter, node: OnnxNode, tensor: Tensor) -> tuple[Tensor, ...]:
    """Constant padding; the value is rounded to the grid of the input."""
    if node.text("mode", "constant") != "constant":
        raise node.error("only constant padding is supported", hint="use mode=`constant`")
    rank = len(tensor.shape)
    axes = _axes(converter, node, 3, rank, tuple(range(rank)))
    pads = [int(n) for n in converter.constant(node, 1).ravel()]
    if len(pads) != 2 * len(axes) or any(p < 0 for p in pads):
        raise node.error(f"pads {pads} do not fit {len(axes)} axes", hint="use Slice where pads are negative")
    both = {a: (pads[i], pads[i + len(axes)]) for i, a in enumerate(axes)}
    if not any(pads):
        return (tensor,)
    value, order = converter.natural(tensor, node)
    pairs = tuple(both.get(a, (0, 0)) for a in order)
    op = ops.Pad(pairs, _fill(converter, node, tensor))
    shape = tuple(n + sum(both.get(a, (0, 0))) for a, n in enumerate(tensor.shape))
    return (Tensor(converter.emit(node.outputs[0], node, op, value), Layout.of(shape, _axes_in(order))),)


def _fill(converter: Converter, node: OnnxNode, tensor: Tensor) -> int:
    """The int8 step that pads; ONNX's default is 0, which is the zero point of a float tensor."""
    quant, name = converter.type(tensor).quant, node.optional(2)
    integer = node.input(0) in converter.integers
    if not name:
        if integer:
            raise node.error("padding of integers needs a value")
        return quant.zero_point
    if name in converter.stored:
        real = converter.stored[name].real()
    else:
        real = converter.constant(node, 2)
        if real.dtype.name in ("int8", "uint8"):
            return int(real.ravel()[0]) - (128 if real.dtype == np.uint8 else 0)
    if real.size != 1 or not np.isfinite(real).all():
        raise node.error("its padding value is not one finite number")
    return Target(quant).step(float(real.ravel()[0]))


@compute("Concat")
def concat(converter: Converter, node: OnnxNode, target: Target) -> Tensor:
    """Every part is brought to the grid of the result."""
    parts = [converter.requantized(converter.operand(name, node), target, node) for name in node.inputs]
    return _concatenated(converter, node, parts)


def _concatenated(converter: Converter, node: OnnxNode, parts: list[Tensor]) -> Tensor:
    shapes = [part.shape for part in parts]
    axis = axis_of(node, parts[0], 0)
    if len({(len(s), s[:axis], s[axis + 1 :]) for s in shapes}) > 1:
        raise node.error(f"inputs {', '.join(str(list(s)) for s in shapes)} do not fit along axis {axis}")
    rank = len(shapes[0])
    orders = [o for o in (part.layout.order() for part in parts if part.shape[axis] > 1) if o is not None]
    order: tuple[int | None, ...] = orders[0] if orders else tuple(range(rank))
    shape = tuple(sum(s[axis] for s in shapes) if a == axis else n for a, n in enumerate(shapes[0]))
    if shape[order[0]] != 1:
        order = (None, *order)
    values = [converter.arranged(part, order, node) for part in parts]
    if len(values) == 1:
        return Tensor(values[0], Layout.of(shape, _axes_in(order)))
    value = converter.emit(node.outputs[0], node, ops.Concat(order.index(axis)), *values)
    return Tensor(value, Layout.of(shape, _axes_in(order)))
