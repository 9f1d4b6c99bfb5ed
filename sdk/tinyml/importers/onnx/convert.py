"""From `OnnxModel` to `ir.Graph`: one walk over the nodes, lowering what stands between two QuantizeLinear.

An operator of the float graph has no meaning in int8 until the grid of its result is known, so it waits until a
QuantizeLinear asks for it (`Converter.quantized`). Operators that only move elements take the grid of their input.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NoReturn

import numpy as np

from tinyml import ops
from tinyml.importers.names import Names, identifier
from tinyml.importers.onnx import constants
from tinyml.importers.onnx.errors import OnnxError
from tinyml.importers.onnx.layout import Layout, channels_last
from tinyml.importers.onnx.model import OnnxModel, OnnxNode
from tinyml.importers.onnx.quant import Grids, Stored, Target, no_grid
from tinyml.ir.graph import Graph, GraphBuilder
from tinyml.ir.op import GraphError, Op
from tinyml.ir.tensor import Const, QuantParams, TensorType

_MOST_ELEMENTS = 2**26
_LONGEST_FLOAT_CHAIN = 64
_RENAMED = "_QuantizeLinear_Input"  # what onnxruntime's quantiser appends to the names of outputs
_QUANTIZE, _DEQUANTIZE = "QuantizeLinear", "DequantizeLinear"


@dataclass(frozen=True)
class Tensor:
    """An ONNX tensor in the graph: the value that holds it, and where its elements lie there."""

    value: str
    layout: Layout

    @property
    def shape(self) -> tuple[int, ...]:
        """ONNX's shape."""
        return self.layout.shape


@dataclass(frozen=True)
class Converted:
    """The graph, and where each quantised ONNX tensor is found in it, by the names of its float and integer form."""

    graph: Graph
    tensors: Mapping[str, Tensor]


Compute = Callable[["Converter", OnnxNode, Target], Tensor]
Movement = Callable[["Converter", OnnxNode, Tensor], tuple[Tensor, ...]]
Function = Callable[[np.ndarray], np.ndarray]
"""Of float64 arrays, elementwise."""

COMPUTE: dict[str, Compute] = {}
MOVEMENT: dict[str, Movement] = {}
STATUS: dict[str, str] = dict.fromkeys((_QUANTIZE, _DEQUANTIZE, "Constant", "Shape"), "folded")
IMPLIED: dict[str, Callable[[Converter, OnnxNode], QuantParams | None]] = {}
"""Grids of operators whose result has one without a QuantizeLinear."""


def compute(*kinds: str, status: str = "supported") -> Callable[[Compute], Compute]:
    """Registers the lowering of operators whose result needs a grid.

    `status` is how lists of operators show them: supported, fused (into a neighbour) or folded (no code is left).
    """

    def register(function: Compute) -> Compute:
        COMPUTE.update(dict.fromkeys(kinds, function))
        STATUS.update(dict.fromkeys(kinds, status))
        return function

    return register


def movement(*kinds: str, status: str = "supported") -> Callable[[Movement], Movement]:
    """Registers the lowering of operators that move or choose elements of one input."""

    def register(function: Movement) -> Movement:
        MOVEMENT.update(dict.fromkeys(kinds, function))
        STATUS.update(dict.fromkeys(kinds, status))
        return function

    return register


class Converter:
    """The state of one conversion. `constants` are arrays by name, `stored` those behind a DequantizeLinear."""

    def __init__(self, model: OnnxModel, name: str | None) -> None:
        self.model = model
        self.builder = GraphBuilder(identifier(name or model.name, "model"))
        self.names = Names()
        self.constants: dict[str, np.ndarray] = dict(model.constants)
        self.stored: dict[str, Stored] = {}
        self.tensors: dict[str, Tensor] = {}
        self.results: dict[tuple[str, Target], Tensor] = {}
        self.sources: dict[str, Tensor] = {}
        self.integers: set[str] = set()
        self.waiting: dict[str, OnnxNode] = {}
        self.depth: dict[str, int] = {}
        self.inputs = {v.name: v for v in model.inputs}

    def run(self) -> Converted:
        if not any(node.kind in (_QUANTIZE, _DEQUANTIZE) for node in self.model.nodes):
            raise OnnxError("the model is not quantised: there is no QuantizeLinear in it",
                            hint="import it with `--calibrate DIR`, a folder of typical inputs")  # fmt: skip
        for node in self.model.nodes:
            self._visit(node)
        outputs = tuple(self._output(v.name) for v in self.model.outputs)
        for name in self.inputs:
            if name not in self.sources:
                raise OnnxError(f"the input `{name}` is never quantised", hint="quantise with QuantFormat.QDQ")
        self.builder.inputs = [self.sources[name].value for name in self.inputs]
        results = {name: tensor for (name, _), tensor in self.results.items()}
        return Converted(self.builder.build(*outputs), results | self.tensors | self.sources)

    def _visit(self, node: OnnxNode) -> None:
        if constants.fold(self, node):
            return
        if node.kind == _QUANTIZE:
            self._quantize(node)
        elif node.kind == _DEQUANTIZE:
            self._dequantize(node)
        elif node.kind in MOVEMENT and node.input(0) in self.integers:
            self._move(node, self.tensors[node.input(0)])
            self.integers.update(node.outputs)
        elif node.kind == "Concat" and node.input(0) in self.integers:
            grid = self.type(self.tensors[node.input(0)]).quant
            self.tensors[node.outputs[0]] = COMPUTE["Concat"](self, node, Target(grid))
            self.integers.update(node.outputs)
        elif node.kind in MOVEMENT or node.kind in COMPUTE:
            self._wait(node)
        else:
            raise unsupported(node)

    def _wait(self, node: OnnxNode) -> None:
        """Chains of float operators are lowered by recursion: their length is limited."""
        depth = 1 + max((self.depth.get(name, 0) for name in node.inputs), default=0)
        if depth > _LONGEST_FLOAT_CHAIN:
            raise no_grid(node, node.input(0))
        for name in filter(None, node.outputs):
            self.waiting[name], self.depth[name] = node, depth

    def _quantize(self, node: OnnxNode) -> None:
        grids = self.grids(node)
        (output,) = node.outputs
        source = node.input(0)
        if source in self.constants:
            self.constants[output] = constants.quantize(node, self.constants[source], grids)
            return
        self.tensors[output] = self.quantized(source, Target(grids.activation(node)), node)
        self.integers.add(output)

    def _dequantize(self, node: OnnxNode) -> None:
        source, (output,) = node.input(0), node.outputs
        if source in self.constants:
            data = self.constants[source]
            self.stored[output] = self.grids(node, data.dtype.name).stored(node, data, node.int("axis", 1))
            return
        if source in self.inputs and self.inputs[source].dtype in ("int8", "uint8"):
            grids = self.grids(node, self.inputs[source].dtype)
            self.tensors[source] = self._graph_input(source, grids.activation(node), node)
            self.integers.add(source)
        if source not in self.integers:
            raise node.error(f"reads `{source}`, which is not an 8-bit tensor")
        tensor = self.tensors[source]
        stored, asked = self.type(tensor).quant, self.grids(node).activation(node)
        if stored != asked:
            raise node.error(f"its grid (scale {asked.scale:g}, zero point {asked.zero_point}) is not the one that "
                             f"`{source}` was quantised with ({stored.scale:g}, {stored.zero_point})")  # fmt: skip
        self.tensors[output] = tensor

    def grids(self, node: OnnxNode, dtype: str | None = None) -> Grids:
        """The scales and zero points of a QuantizeLinear or DequantizeLinear."""
        if node.int("block_size", 0):
            raise node.error("blocked quantisation is not supported", hint="quantise per tensor or per channel")
        zero = self.constant(node, 2) if node.optional(2) else None
        if dtype is None:
            dtype = "uint8" if zero is None else zero.dtype.name
        elif zero is not None and zero.dtype.name != dtype:
            raise node.error(f"its zero point is {zero.dtype.name}, its data are {dtype}")
        return Grids.of(node, self.constant(node, 1), zero, dtype)

    def quantized(self, name: str, target: Target, reader: OnnxNode) -> Tensor:
        """The float tensor `name` on the grid of `target`, for the node `reader`."""
        if name in self.integers or name in self.constants or name in self.stored:
            raise reader.error(f"`{name}` is constant or already quantised")
        if (name, target) not in self.results:
            self.results[name, target] = self._lowered(name, target, reader)
        return self.results[name, target]

    def _lowered(self, name: str, target: Target, reader: OnnxNode) -> Tensor:
        if name in self.tensors:
            return self.requantized(self.tensors[name], target, reader)
        if name in self.inputs:
            return self.requantized(self._graph_input(name, target.quant, reader), target, reader)
        node = self.waiting[name]
        if node.kind in COMPUTE:
            return COMPUTE[node.kind](self, node, target)
        if self._on_grid(node.input(0)):
            return self.requantized(self.operand(name, reader), target, reader)
        moved = MOVEMENT[node.kind](self, node, self.quantized(node.input(0), target, node))
        return moved[node.outputs.index(name)]

    def _on_grid(self, name: str) -> bool:
        """Whether a tensor has a grid already, perhaps behind operators that only move its elements."""
        while name in self.waiting and name not in self.tensors and self.waiting[name].kind in MOVEMENT:
            name = self.waiting[name].input(0)
        return name in self.tensors

    def requantized(self, tensor: Tensor, target: Target, reader: OnnxNode) -> Tensor:
        """A tensor on another grid, or clamped; the tensor itself when nothing changes."""
        if self.type(tensor).quant == target.quant and target.is_whole:
            return tensor
        return self.mapped(tensor, lambda real: real, target, reader, f"{tensor.value}_requantized")

    def mapped(self, tensor: Tensor, function: Function, target: Target, node: OnnxNode, name: str = "") -> Tensor:
        """`function` of every element, rounded half to even to the grid of `target`: a table of 256 entries."""
        quant, name = self.type(tensor).quant, name or node.outputs[0]
        real = (np.arange(-128, 128) - quant.zero_point) * quant.scale
        steps = np.rint(function(real) / target.quant.scale) + target.quant.zero_point
        table = np.clip(steps, target.low, target.high).astype(np.int8)
        operands = (tensor.value, self.const(f"{name}_table", table))
        return Tensor(self.emit(name, node, ops.Lookup("table", target.quant), *operands), tensor.layout)

    def operand(self, name: str, reader: OnnxNode) -> Tensor:
        """The input `name` of an operator, on the grid that it has. Raises: OnnxError when it has none."""
        if name in self.tensors:
            if name in self.integers and reader.kind not in MOVEMENT and reader.kind != "Concat":
                raise reader.error(f"reads `{name}` without a DequantizeLinear")
            return self.tensors[name]
        node = self.waiting.get(name)
        if node is None:
            raise no_grid(reader, name)
        if node.kind in MOVEMENT:
            self._move(node, self.operand(node.input(0), node))
            return self.tensors[name]
        implied = IMPLIED.get(node.kind, _no_quant)(self, node)
        if implied is None:
            raise no_grid(reader, name)
        self.tensors[name] = COMPUTE[node.kind](self, node, Target(implied))
        return self.tensors[name]

    def _move(self, node: OnnxNode, source: Tensor) -> None:
        for name, tensor in zip(node.outputs, MOVEMENT[node.kind](self, node, source), strict=False):
            if name:
                self.tensors[name] = tensor

    def constant(self, node: OnnxNode, index: int) -> np.ndarray:
        """A required constant input as it is stored. Raises: OnnxError when it is computed."""
        name = node.input(index)
        if name not in self.constants:
            raise node.error(f"input {index} (`{name}`) must be constant",
                             hint="export the model with fixed shapes and parameters")  # fmt: skip
        return self.constants[name]

    def type(self, tensor: Tensor) -> TensorType:
        return self.builder.types[tensor.value]

    def _graph_input(self, name: str, quant: QuantParams, reader: OnnxNode) -> Tensor:
        """The graph's input for ONNX's input `name`, made when it is first quantised or dequantised."""
        if name not in self.sources:
            shape = constants.fixed_shape(self.inputs[name])
            order = constants.input_order(self.model, name, len(shape))
            value = self.names.unique(name, "input")
            self.builder.input(value, TensorType(tuple(shape[a] for a in order), "int8", quant))
            self.sources[name] = Tensor(value, Layout.of(shape, order))
        if self.type(self.sources[name]).quant != quant:
            raise reader.error(f"the input `{name}` is quantised in two ways", hint="quantise it once")
        return self.sources[name]

    def _output(self, name: str) -> str:
        """The value of a graph output: images channels last, everything else in ONNX's order."""
        reader = OnnxNode("output", name, (name,), (f"{name}_output",), {})
        if name in self.constants or name in self.stored:
            raise OnnxError(f"the output `{name}` is constant")
        tensor = self.tensors[name] if name in self.integers else self.operand(name, reader)
        rank = len(tensor.shape)
        if rank > 2 and tensor.layout.has_order(channels_last(rank)):
            return self.arranged(tensor, channels_last(rank), reader)
        return self.arranged(tensor, tuple(range(rank)), reader)

    def arranged(self, tensor: Tensor, order: tuple[int | None, ...], node: OnnxNode) -> str:
        """The value with one axis per entry of `order` (an ONNX axis, or None for an axis of 1), moved if it must."""
        axes = tuple(axis for axis in order if axis is not None)
        value = tensor.value
        if not tensor.layout.has_order(axes):
            sizes, perm = tensor.layout.moves(axes)
            value = self._reshaped(value, (1, *sizes), node)
            value = self.emit(f"{tensor.value}_moved", node, ops.Transpose((0, *(1 + p for p in perm))), value)
        return self._reshaped(value, tuple(1 if a is None else tensor.shape[a] for a in order), node)

    def _reshaped(self, value: str, shape: tuple[int, ...], node: OnnxNode) -> str:
        if shape[:1] != (1,):
            raise node.error(f"a tensor of shape {list(shape)} does not start with a batch of 1",
                             hint="export the model with batch size 1")  # fmt: skip
        if self.builder.types[value].shape == shape:
            return value
        return self.emit(f"{value}_reshaped", node, ops.Reshape(shape), value)

    def flat(self, tensor: Tensor, shape: tuple[int, ...], node: OnnxNode) -> str:
        """The value under another shape, elements as they lie in memory."""
        return self._reshaped(tensor.value, shape, node)

    def natural(self, tensor: Tensor, node: OnnxNode) -> tuple[str, tuple[int | None, ...]]:
        """The value with an axis for every ONNX axis, in an order that needs no move if there is one, and that order.

        The first axis of the value is always a batch of 1.
        """
        order = tensor.layout.order() or tuple(range(len(tensor.shape)))
        if not order or tensor.shape[order[0]] != 1:
            order = (None, *order)
        return self.arranged(tensor, order, node), order

    def emit(self, name: str, node: OnnxNode, op: Op, *values: str) -> str:
        """Append an operator; its output value is called after `name`. Raises: OnnxError naming the ONNX node."""
        try:
            value = self.builder.add(self.names.unique(name.replace(_RENAMED, "")), op, *values)
        except GraphError as error:
            raise node.error(error.message, hint=error.hint, details=error.details) from error
        if self.builder.types[value].elements > _MOST_ELEMENTS:
            raise node.error(f"its result of shape {list(self.builder.types[value].shape)} is too large")
        return value

    def const(self, name: str, data: np.ndarray, quant: QuantParams | None = None) -> str:
        return self.builder.const(self.names.unique(name.replace(_RENAMED, "")), Const.of(data, quant))


def _no_quant(converter: Converter, node: OnnxNode) -> None:
    """Most operators have no grid of their own."""


def unsupported(node: OnnxNode) -> NoReturn:
    """Raises: OnnxError that says what is supported and what to do instead."""
    raise node.error("the operator is not supported", hint=constants.ADVICE.get(node.kind, constants.REBUILD),
                     details=(f"supported: {', '.join(sorted(STATUS))}",))  # fmt: skip
