"""Resize, nearest and linear, wherever the graph's operators read the same cells as ONNX does."""

from __future__ import annotations

import numpy as np

from tinyml import ops
from tinyml.importers.onnx.convert import Converter, Tensor, movement
from tinyml.importers.onnx.layout import Layout, channels_last
from tinyml.importers.onnx.model import OnnxNode
from tinyml.importers.onnx.movement import axes_input
from tinyml.ir.tensor import TensorType

Spatial = tuple[tuple[int, int, float], ...]
"""(before, after, scale) of height and width."""

_MODES = ((False, True), (False, False), (True, False))  # (align_corners, half_pixel_centers)
_DEVIATION = 1 / 1024  # of a cell: up to a quarter of a step between the ends of int8
_ROUNDED = {
    "round_prefer_floor": lambda x: np.ceil(x - np.float32(0.5)),
    "round_prefer_ceil": lambda x: np.floor(x + np.float32(0.5)),
    "floor": np.floor,
    "ceil": np.ceil,
}


@movement("Resize")
def resize(converter: Converter, node: OnnxNode, tensor: Tensor) -> tuple[Tensor, ...]:
    """One or two spatial axes; the result keeps the input's grid."""
    shape, rank = tensor.shape, len(tensor.shape)
    sizes, scales = _sizes(converter, node, tensor)
    if rank not in (3, 4) or sizes[:2] != shape[:2]:
        raise node.error(f"resizes {list(shape)} to {list(sizes)}: only one and two spatial axes behind batch "
                         "and channels are supported")  # fmt: skip
    if sizes == shape:
        return (tensor,)
    _check(node)
    value = converter.arranged(tensor, (0, None, 2, 1) if rank == 3 else (0, 2, 3, 1), node)
    kind = converter.builder.types[value]
    missing = ((1, 1, 1.0),) * (4 - rank)
    spatial = (*missing, *zip(shape[2:], sizes[2:], scales[2:], strict=True))
    op = (_nearest if node.text("mode", "nearest") == "nearest" else _linear)(node, kind, spatial)
    return (Tensor(converter.emit(node.outputs[0], node, op, value), Layout.of(sizes, channels_last(rank))),)


def _check(node: OnnxNode) -> None:
    mode, policy = node.text("mode", "nearest"), node.text("keep_aspect_ratio_policy", "stretch")
    if mode not in ("nearest", "linear"):
        raise node.error(f"mode `{mode}` is not supported", hint="use nearest or linear")
    if node.int("antialias", 0) or node.int("exclude_outside", 0) or policy != "stretch":
        raise node.error("antialias, exclude_outside and keep_aspect_ratio_policy are not supported")


def _sizes(converter: Converter, node: OnnxNode, tensor: Tensor) -> tuple[tuple[int, ...], list[float]]:
    """The shape of the result, and the scale of every axis."""
    rank = len(tensor.shape)
    given = node.ints("axes", tuple(range(rank)))
    axes = axes_input(node, given, rank)
    by_size = bool(node.optional(3))
    values = converter.constant(node, 3 if by_size else 2).ravel().astype(np.float64)
    if len(values) != len(axes) or not np.all(np.isfinite(values) & (values > 0) & (values < 2**15)):
        raise node.error(f"its sizes or scales {values.tolist()} do not fit an input {list(tensor.shape)}")
    sizes, scales = list(tensor.shape), [1.0] * rank
    for axis, value in zip(axes, values, strict=True):
        sizes[axis] = int(value) if by_size else int(np.floor(tensor.shape[axis] * value))
        scales[axis] = sizes[axis] / tensor.shape[axis] if by_size else float(value)
    if min(sizes) < 1:
        raise node.error(f"nothing is left of an input {list(tensor.shape)}")
    return tuple(sizes), scales


def _places(node: OnnxNode, before: int, after: int, scale: float) -> np.ndarray:
    """The place in the input of every output cell of one axis, float32 as onnxruntime computes it."""
    index, mode = np.arange(after, dtype=np.float32), node.text("coordinate_transformation_mode", "half_pixel")
    half = np.float32(0.5)
    if mode == "align_corners":
        return index * np.float32(before - 1) / np.float32(after - 1) if after > 1 else np.zeros(1, np.float32)
    if mode == "asymmetric":
        return index / np.float32(scale)
    if mode == "pytorch_half_pixel" and after == 1:
        return np.zeros(1, np.float32)
    if mode in ("half_pixel", "pytorch_half_pixel"):
        return (index + half) / np.float32(scale) - half
    raise node.error(f"coordinate_transformation_mode `{mode}` is not supported",
                     hint="use half_pixel, pytorch_half_pixel, asymmetric or align_corners")  # fmt: skip


def _nearest(node: OnnxNode, kind: TensorType, spatial: Spatial) -> ops.ResizeNearest:
    rounding = node.text("nearest_mode", "round_prefer_floor")
    if rounding not in _ROUNDED:
        raise node.error(f"nearest_mode `{rounding}` does not exist")
    wanted = [np.clip(_ROUNDED[rounding](_places(node, *axis)), 0, axis[0] - 1) for axis in spatial]
    for mode in _MODES:
        op = ops.ResizeNearest(tuple(after for _, after, _ in spatial), *mode)
        if all(map(np.array_equal, op.axes(kind), wanted)):
            return op
    raise node.error(f"no operator reads the cells of `{rounding}` at these sizes: {_shown(spatial)}",
                     hint="resize by a whole factor, with asymmetric and floor")  # fmt: skip


def _linear(node: OnnxNode, kind: TensorType, spatial: Spatial) -> ops.ResizeBilinear:
    wanted = [np.clip(_places(node, *axis), 0, axis[0] - 1) for axis in spatial]
    for mode in _MODES:
        op = ops.ResizeBilinear(tuple(after for _, after, _ in spatial), *mode, exact=True)
        if all(map(_is_near, op.axes(kind), wanted)):
            return op
    raise node.error(f"no operator interpolates at these places: {_shown(spatial)}",
                     hint="give sizes instead of scales, or scales that lead to whole sizes")  # fmt: skip


def _is_near(table: np.ndarray, wanted: np.ndarray) -> bool:
    """Whether (lower, upper, 1024ths) of every cell lie where they should, up to what int8 hardly shows."""
    lower, upper, part = table.T
    places = np.where(upper > lower, lower + part / 1024, lower)
    return bool(np.max(np.abs(places - wanted)) <= _DEVIATION)


def _shown(spatial: Spatial) -> str:
    return ", ".join(f"{before} to {after}" for before, after, _ in spatial)
