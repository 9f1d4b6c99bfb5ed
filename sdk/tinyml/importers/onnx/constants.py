"""What is known before anything runs: constant nodes, computed shapes, the shapes and orders of graph inputs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from tinyml.importers.onnx.errors import OnnxError
from tinyml.importers.onnx.layout import channels_last
from tinyml.importers.onnx.model import OnnxInput, OnnxModel, OnnxNode
from tinyml.importers.onnx.quant import Grids

if TYPE_CHECKING:
    from tinyml.importers.onnx.convert import Converter

_MOST_ELEMENTS = 2**20  # of a folded constant
_MOST_INPUT_ELEMENTS = 2**26
_SPATIAL = ("Conv", "MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool", "Resize")
_TRANSPARENT = (
    "QuantizeLinear", "DequantizeLinear", "Identity", "Pad", "Relu", "Clip", "Add", "Sub", "Mul", "Slice", "Dropout",
)  # fmt: skip

REBUILD = "build the model of the supported operators, or leave this part of it to the application"
ADVICE = {
    "BatchNormalization": "fold it into the convolution before quantising: export the model in evaluation mode, or "
    "run `onnxruntime.quantization.quant_pre_process`",
    "DynamicQuantizeLinear": "quantise statically: `onnxruntime.quantization.quantize_static`",
    "MatMulInteger": "quantise statically: `onnxruntime.quantization.quantize_static`",
    "ConvInteger": "quantise statically: `onnxruntime.quantization.quantize_static`",
    **dict.fromkeys(
        ("QLinearConv", "QLinearMatMul", "QLinearAdd", "QLinearMul", "QGemm", "QLinearGlobalAveragePool"),
        "quantise with `quant_format=QuantFormat.QDQ`",
    ),
    "ArgMax": "end the model with the class scores; the application takes their largest",
    "ConvTranspose": "use Resize followed by Conv",
    "LSTM": "recurrent layers are not supported; use convolutions over time",
    "GRU": "recurrent layers are not supported; use convolutions over time",
}  # fmt: skip


def fold(converter: Converter, node: OnnxNode) -> bool:
    """Evaluate a node whose result is known now. Returns whether it did."""
    if node.kind == "Constant":
        converter.constants[node.outputs[0]] = _constant(node)
        return True
    if node.kind == "Shape":
        converter.constants[node.outputs[0]] = _shape(converter, node)
        return True
    if node.inputs and node.inputs[0] in converter.stored:
        return _move_stored(converter, node)
    known = converter.constants
    if node.kind not in FOLDABLE or not all(name in known for name in node.inputs if name):
        return False
    arrays = [known[name] if name else None for name in node.inputs]
    if not arrays or arrays[0] is None:
        raise node.error("input 0 is missing")
    if any(a is not None and a.size > _MOST_ELEMENTS for a in arrays):
        raise node.error("this constant is too large to compute", hint="fold constants when exporting the model")
    try:
        result = np.asarray(FOLDABLE[node.kind](node, *arrays))
    except (ValueError, IndexError, TypeError, ZeroDivisionError, OverflowError) as error:
        raise node.error("its constant inputs do not fit together", details=(str(error),)) from error
    if result.size > _MOST_ELEMENTS:
        raise node.error("its constant result is too large")
    known[node.outputs[0]] = result
    return True


def _move_stored(converter: Converter, node: OnnxNode) -> bool:
    """Identity and Transpose of a dequantised constant, which stays on its grids. Returns whether it was one."""
    stored = converter.stored[node.inputs[0]]
    if node.kind == "Identity":
        converter.stored[node.outputs[0]] = stored
    elif node.kind == "Transpose":
        rank = stored.data.ndim
        perm = node.ints("perm", tuple(range(rank))[::-1], rank)
        if sorted(perm) != list(range(rank)):
            raise node.error(f"{list(perm)} is not a permutation of the {rank} axes")
        axis = None if stored.axis is None else perm.index(stored.axis)
        converter.stored[node.outputs[0]] = replace(stored, data=stored.data.transpose(perm), axis=axis)
    else:
        return False
    return True


def _constant(node: OnnxNode) -> np.ndarray:
    for key, dtype in (("value", None), ("value_float", "float32"), ("value_int", "int64"),
                       ("value_floats", "float32"), ("value_ints", "int64")):  # fmt: skip
        if key in node.attributes:
            value = node.attributes[key]
            try:
                return np.asarray(value) if dtype is None else np.asarray(value, dtype)
            except (ValueError, OverflowError) as error:
                raise node.error("its value cannot be read", details=(str(error),)) from error
    raise node.error("holds no number")


def _shape(converter: Converter, node: OnnxNode) -> np.ndarray:
    name = node.input(0)
    if name in converter.constants:
        shape = converter.constants[name].shape
    elif name in converter.inputs:
        shape = fixed_shape(converter.inputs[name])
    else:
        shape = converter.operand(name, node).shape
    stop = node.int("end", len(shape))
    return np.asarray(shape[node.int("start", 0) : stop], np.int64)


def _axes(node: OnnxNode, axes: np.ndarray | None) -> tuple[int, ...]:
    return tuple(int(a) for a in axes) if axes is not None else node.ints("axes", ())


def _divide(node: OnnxNode, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    if a.dtype.kind == "f":
        return np.divide(a, b)
    if np.any(b == 0):
        raise ZeroDivisionError("division by zero")
    return (np.sign(a) * np.sign(b) * (np.abs(a) // np.abs(b))).astype(a.dtype)


def _slice(node: OnnxNode, x: np.ndarray, starts: np.ndarray, ends: np.ndarray, axes: np.ndarray | None = None,
           steps: np.ndarray | None = None) -> np.ndarray:  # fmt: skip
    axes = range(len(starts)) if axes is None else axes
    steps = [1] * len(starts) if steps is None else steps
    where = [slice(None)] * x.ndim
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        last = None if step < 0 and end < -x.shape[axis] else int(end)
        where[int(axis)] = slice(int(start), last, int(step))
    return x[tuple(where)]


def _reshape(node: OnnxNode, x: np.ndarray, shape: np.ndarray) -> np.ndarray:
    sizes = [x.shape[i] if size == 0 else int(size) for i, size in enumerate(shape)]
    return x.reshape(sizes)


def _filled(node: OnnxNode, shape: np.ndarray) -> np.ndarray:
    if prod(int(s) for s in shape) > _MOST_ELEMENTS:
        raise ValueError(f"shape {shape.tolist()} is too large")
    value = np.asarray(node.attributes.get("value", np.zeros(1, np.float32)))
    return np.full([int(s) for s in shape], value.ravel()[0], value.dtype)


def _cast(node: OnnxNode, x: np.ndarray) -> np.ndarray:
    types = {1: "float32", 6: "int32", 7: "int64", 9: "bool", 11: "float64"}
    if node.int("to", 0) not in types:
        raise TypeError("a cast to a type that is not supported")
    return x.astype(types[node.int("to", 0)])


def _squeeze(node: OnnxNode, x: np.ndarray, axes: np.ndarray | None = None) -> np.ndarray:
    return np.squeeze(x, _axes(node, axes) or None)


FOLDABLE: dict[str, Callable[..., np.ndarray]] = {
    "Identity": lambda node, x: x,
    "Gather": lambda node, x, where: np.take(x, where.astype(np.int64), axis=node.int("axis", 0)),
    "Concat": lambda node, *parts: np.concatenate(parts, axis=node.int("axis", 0)),
    "Unsqueeze": lambda node, x, axes=None: np.expand_dims(x, _axes(node, axes)),
    "Squeeze": _squeeze,
    "Cast": _cast,
    "Slice": _slice,
    "Reshape": _reshape,
    "Transpose": lambda node, x: x.transpose(node.ints("perm", tuple(range(x.ndim))[::-1])),
    "ConstantOfShape": _filled,
    "Add": lambda node, a, b: a + b,
    "Sub": lambda node, a, b: a - b,
    "Mul": lambda node, a, b: a * b,
    "Div": _divide,
    "Neg": lambda node, x: -x,
    "Floor": lambda node, x: np.floor(x),
    "ReduceProd": lambda node, x, axes=None: np.prod(x, keepdims=bool(node.int("keepdims", 1))),
}


def quantize(node: OnnxNode, real: np.ndarray, grids: Grids) -> np.ndarray:
    """A QuantizeLinear of a constant, as float weights in the file have it."""
    if real.dtype.kind != "f" or not np.all(np.isfinite(real)):
        raise node.error("its constant input is not made of finite floats")
    if grids.dtype not in ("int8", "uint8", "int32"):
        raise node.error(f"constants of type {grids.dtype} are not supported")
    stored = grids.stored(node, real, node.int("axis", 1))
    spread = [-1 if i == stored.axis else 1 for i in range(real.ndim)] if stored.axis is not None else ()
    limits = np.iinfo(grids.dtype)
    steps = np.rint(real.astype(np.float64) / grids.scales.reshape(spread)) + grids.zero_points.reshape(spread)
    return np.clip(steps, limits.min, limits.max).astype(grids.dtype)


def fixed_shape(value: OnnxInput) -> tuple[int, ...]:
    """The shape of a graph input with a batch of 1, which may be symbolic in the file. Raises: OnnxError."""
    if value.dtype not in ("float32", "float64", "int8", "uint8"):
        raise OnnxError(f"input `{value.name}` is {value.dtype}; float32, int8 and uint8 are supported")
    shape = (1, *value.shape[1:]) if value.shape[:1] == (None,) else value.shape
    if any(size is None for size in shape):
        shown = ", ".join("?" if size is None else str(size) for size in shape)
        raise OnnxError(f"input `{value.name}` has the dynamic shape [{shown}]; only the batch may be dynamic",
                        hint="fix the shape: `python -m onnxruntime.tools.make_dynamic_shape_fixed`")  # fmt: skip
    if shape[:1] != (1,):
        raise OnnxError(f"input `{value.name}` has the shape {list(shape)}: the first dimension must be a batch of 1",
                        hint="export the model with batch size 1")  # fmt: skip
    if len(shape) > 6 or prod(shape) > _MOST_INPUT_ELEMENTS:
        raise OnnxError(f"input `{value.name}` of shape {list(shape)} is too large")
    return shape


def input_order(model: OnnxModel, name: str, rank: int) -> tuple[int, ...]:
    """The order in which the graph holds the axes of an input: such that its first convolution needs no move.

    Where nothing asks for one, images are channels last and everything else stays as it is.
    """
    axes = {name: tuple(range(rank))}
    for node in model.nodes:
        found = axes.get(node.inputs[0]) if node.inputs else None
        if found is None:
            continue
        if node.kind in _SPATIAL and rank > 2:
            order = tuple(found[a] for a in channels_last(rank))
            return order if order[0] == 0 else tuple(range(rank))
        if node.kind == "Transpose":
            perm = node.ints("perm", tuple(range(rank))[::-1])
            if sorted(perm) == list(range(rank)):
                axes.update(dict.fromkeys(node.outputs, tuple(found[a] for a in perm)))
        elif node.kind in _TRANSPARENT:
            axes.update(dict.fromkeys(node.outputs, found))
    return channels_last(rank) if rank == 4 else tuple(range(rank))
