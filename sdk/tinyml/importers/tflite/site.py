"""`Site`: one TFLite operator being converted, with what a converter may ask about it and do for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
from math import prod

import numpy as np

from tinyml.importers.errors import ModelError
from tinyml.importers.names import Names
from tinyml.importers.tflite import schema
from tinyml.importers.tflite.model import Operator, Tensor
from tinyml.ir.graph import GraphBuilder
from tinyml.ir.op import GraphError, Op
from tinyml.ir.tensor import Const, QuantParams, TensorType
from tinyml.ops import Reshape

INT8 = (-128, 127)
_MOST_NODES = 8192


class GraphUnderWay:
    """The graph so far: `values` maps the index of each TFLite tensor that exists in it to its value's name."""

    def __init__(self, name: str, tensors: tuple[Tensor, ...], file_bytes: int) -> None:
        self.builder = GraphBuilder(name)
        self.tensors = tensors
        self.names = Names()
        self.values: dict[int, str] = {}
        self.room_bytes = 4 * file_bytes + 2**20  # for constants: a small file that shares them cannot ask for more


@dataclass(frozen=True)
class Site:
    """Inputs and outputs are addressed by their position in the operator. All errors name its place."""

    operator: Operator
    graph: GraphUnderWay
    options_type: schema.Options

    def error(self, problem: str, hint: str | None = None, details: Iterable[str] = ()) -> ModelError:
        operator = self.operator
        known = [i for i in operator.outputs if i >= 0]
        place = self.graph.tensors[known[0]].label if known else "no output"
        where = f"operator {operator.index}, {operator.name} ({place})"
        return ModelError(f"{where}: {problem}", hint=hint, details=details)

    def option(self, field: IntEnum, kind: str, default: int | float | bool = 0) -> int | float | bool:
        """A field of the operator's options. Raises: ModelError when the options are those of another operator."""
        operator = self.operator
        if operator.options is None:
            return default
        if operator.options_type != self.options_type:
            raise self.error(f"its options are of type {operator.options_type}, not {int(self.options_type)}",
                             "the file is damaged: export the model again")  # fmt: skip
        return operator.options.scalar(field, kind, default)

    def option_list(self, field: IntEnum) -> list[int]:
        """A short vector of int32 among the options; empty when there is none."""
        self.option(field, "uint32")  # checks the type of the options
        if self.operator.options is None:
            return []
        return [int(v) for v in self.operator.options.vector(field, "int32")[:64]]

    def finite(self, field: IntEnum) -> float:
        """A float option."""
        value = self.option(field, "float32", 0.0)
        if not np.isfinite(value):
            raise self.error(f"its option `{field.name}` is {value}")
        return float(value)

    def axis(self, number: int, rank: int) -> int:
        """An axis of a tensor with `rank` axes, counted from the end when negative."""
        if not -rank <= number < rank:
            raise self.error(f"axis {number} does not exist: the tensor has {rank} axes")
        return number % rank

    def require_options(self) -> None:
        if self.operator.options is None:
            raise self.error("it has no options", "the file is damaged: export the model again")

    def choice(self, field: IntEnum, choices: tuple[str, ...]) -> str:
        """An enumeration among the options."""
        number = self.option(field, "int8")
        if not 0 <= number < len(choices):
            raise self.error(f"its option `{field.name}` is {number}, which has no meaning")
        return choices[number]

    def expect(self, inputs: tuple[int, ...], outputs: int = 1) -> None:
        """Raises: ModelError unless the number of inputs is one of `inputs` and of outputs `outputs`."""
        found = (len(self.operator.inputs), len(self.operator.outputs))
        if found[0] not in inputs or found[1] != outputs:
            raise self.error(f"it has {found[0]} inputs and {found[1]} outputs", "the file is damaged")

    def has_input(self, position: int) -> bool:
        return position < len(self.operator.inputs) and self.operator.inputs[position] >= 0

    def tensor(self, position: int) -> Tensor:
        if not self.has_input(position):
            raise self.error(f"its input {position} is missing", "the file is damaged: export the model again")
        return self.graph.tensors[self.operator.inputs[position]]

    def output(self, position: int = 0) -> Tensor:
        index = self.operator.outputs[position]
        if index < 0:
            raise self.error(f"its output {position} is missing", "the file is damaged: export the model again")
        return self.graph.tensors[index]

    def constant(self, position: int, dtypes: tuple[str, ...]) -> np.ndarray:
        """The data of an input that must be constant."""
        tensor = self.tensor(position)
        if tensor.dtype not in dtypes:
            raise self.error(f"its input {position}, {tensor.label}, is {tensor.dtype}; supported: {', '.join(dtypes)}")
        if tensor.data is None:
            raise self.error(f"its input {position}, {tensor.label}, is computed at run time but must be constant",
                             "fold it into a constant when exporting the model")  # fmt: skip
        return tensor.data

    def integers(self, position: int, most: int = 64) -> list[int]:
        """A constant vector of int32 or int64, such as axes or sizes."""
        data = self.constant(position, ("int32", "int64"))
        if data.size > most:
            raise self.error(f"its input {position} has {data.size} values, more than {most}")
        return [int(v) for v in data.ravel()]

    def activation(self, position: int = 0) -> str:
        """The value of an int8 input that is computed at run time (or is an input of the graph)."""
        tensor = self.tensor(position)
        if tensor.data is not None:
            raise self.error(f"its input {position}, {tensor.label}, is constant",
                             "fold constants when exporting the model")  # fmt: skip
        _check_int8(self, tensor, f"its input {position}")
        value = self.graph.values.get(tensor.index)
        if value is None:
            raise self.error(f"its input {position}, {tensor.label}, is read before it is computed")
        return value

    def is_constant(self, position: int) -> bool:
        return self.tensor(position).data is not None

    def type(self, value: str) -> TensorType:
        builder = self.graph.builder
        return builder.consts[value].type if value in builder.consts else builder.types[value]

    def quant(self, position: int = 0) -> QuantParams:
        """Quantisation of an output."""
        tensor = self.output(position)
        _check_int8(self, tensor, f"its output {position}")
        return tensor.quant

    def constant_operand(self, position: int) -> str:
        """An int8 constant as a value of the graph, with its own shape (a scalar becomes one element)."""
        tensor = self.tensor(position)
        _check_int8(self, tensor, f"its input {position}")
        data = self.constant(position, ("int8",))
        return self.const(tensor.name, Const.of(data.reshape(data.shape or (1,)), tensor.quant))

    def const(self, name: str, const: Const) -> str:
        """Add a constant under a free name like `name`. Raises: ModelError when the file's share is used up."""
        scales = 0 if const.type.quant is None else len(const.type.quant.scales)
        self.graph.room_bytes -= const.type.size_bytes + 4 * scales
        if self.graph.room_bytes < 0:
            raise self.error("the constants of the model are many times larger than its file")
        return self.graph.builder.const(self.graph.names.unique(name), const)

    def step(self, suffix: str, op: Op, *values: str) -> str:
        """Append an operator whose result is no tensor of the file."""
        return self._add(f"{self.output().name.split(';')[0]}_{suffix}", op, values)

    def emit(self, op: Op, *values: str, position: int = 0) -> None:
        """Append the operator that computes output `position`. Raises: ModelError when the file says otherwise."""
        tensor = self.output(position)
        if tensor.shape[:1] != (1,):
            raise self.error(f"its output has the shape {list(tensor.shape)}: the first axis must be a batch of 1",
                             "keep the batch as first axis when exporting the model")  # fmt: skip
        self._bind(self._add(tensor.name, op, values), position)

    def emit_reshaped(self, op: Op, *values: str) -> None:
        """As `emit`, with a reshape behind when the file gives the output another shape of as many elements."""
        with self._place_of_errors():
            result = op.infer(*(self.type(v) for v in values))[0]
        shape = self.output().shape
        if result.shape != shape and prod(result.shape) == prod(shape) and shape[:1] == (1,):
            self.emit(Reshape(shape), self.step("flat", op, *values))
        else:
            self.emit(op, *values)

    def _bind(self, value: str, position: int) -> None:
        tensor, kind = self.output(position), self.type(value)
        _check_int8(self, tensor, f"its output {position}")
        if tensor.index in self.graph.values or tensor.data is not None:
            raise self.error(f"its output, {tensor.label}, already has a value")
        if tensor.shape != kind.shape:
            raise self.error(f"its output is stored as {list(tensor.shape)} but has the shape {list(kind.shape)}",
                             "the file is damaged, or its shapes are dynamic")  # fmt: skip
        if tensor.quant != kind.quant:
            raise self.error("its output has another quantisation than its input, which this operator must keep",
                             "convert the model again with a current TFLite converter",
                             (f"stored   {tensor.quant}", f"computed {kind.quant}"))  # fmt: skip
        self.graph.values[tensor.index] = value

    def _add(self, name: str, op: Op, values: tuple[str, ...]) -> str:
        if len(self.graph.builder.nodes) >= _MOST_NODES:
            raise self.error(f"the model needs more than {_MOST_NODES:,} layers")
        with self._place_of_errors():
            return self.graph.builder.add(self.graph.names.unique(name, "t"), op, *values)

    @contextmanager
    def _place_of_errors(self) -> Iterator[None]:
        """An operator of the graph does not know which one of the file it was made for."""
        try:
            yield
        except GraphError as error:
            raise self.error(error.message, error.hint, error.details) from error

    def activation_range(self, name: str) -> tuple[int, int]:
        """Clamp of a fused activation function on output 0.

        Source: LiteRT kernel_util.cc CalculateActivationRangeQuantized (float32 division, half away from zero).
        """
        return activation_range(self, name, self.quant())


def activation_range(site: Site, name: str, quant: QuantParams) -> tuple[int, int]:
    """(lowest, highest) output of the activation `name` in the scale of `quant`."""
    bounds = {"NONE": (None, None), "RELU": (0.0, None), "RELU6": (0.0, 6.0), "RELU_N1_TO_1": (-1.0, 1.0)}.get(name)
    if bounds is None:
        raise site.error(f"the fused activation {name} is not supported", "supported: RELU, RELU6, RELU_N1_TO_1")
    low, high = (_quantized(site, bound, quant) for bound in bounds)
    low = INT8[0] if low is None else max(INT8[0], low)
    return low, INT8[1] if high is None else min(INT8[1], high)


def _quantized(site: Site, bound: float | None, quant: QuantParams) -> int | None:
    if bound is None:
        return None
    with np.errstate(over="ignore"):
        ratio = float(np.float32(bound) / np.float32(quant.scale))
    if abs(ratio) >= 2**31:
        raise site.error(f"the output's scale {quant.scale:.3g} is too small for an activation that ends at {bound:g}")
    return quant.zero_point + int(abs(ratio) + 0.5) * (1 if ratio >= 0 else -1)


_ADVICE: Mapping[str, str] = {
    "float32": "quantise the model to int8 in full (TFLITE_BUILTINS_INT8), weights and activations",
    "float16": "quantise the model to int8 in full (TFLITE_BUILTINS_INT8), weights and activations",
    "int16": "quantise the activations to int8; 16-bit activations are not supported",
    "int4": "quantise the weights to int8; 4-bit weights are not supported",
    "uint8": "convert the model again with a current converter, which quantises to int8",
}


def _check_int8(site: Site, tensor: Tensor, what: str) -> None:
    if tensor.dtype != "int8":
        raise site.error(f"{what}, {tensor.label}, is {tensor.dtype}; int8 is supported",
                         _ADVICE.get(tensor.dtype, "quantise the model to int8"))  # fmt: skip
    if tensor.quant is None:
        raise site.error(f"{what}, {tensor.label}, has no quantisation", "quantise the model to int8")
    if tensor.quant.axis is not None or not -128 <= tensor.quant.zero_point <= 127:
        raise site.error(f"{what}, {tensor.label}, needs one scale and a zero point within int8")
