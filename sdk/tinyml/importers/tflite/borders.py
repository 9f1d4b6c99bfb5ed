"""Inputs and outputs of the graph: QUANTIZE and DEQUANTIZE at float borders are left out, the border becomes int8."""

from __future__ import annotations

from dataclasses import dataclass

from tinyml.importers.errors import ModelError
from tinyml.importers.tflite.model import Model, Operator, Tensor
from tinyml.importers.tflite.registry import converts
from tinyml.importers.tflite.site import GraphUnderWay, Site
from tinyml.ir.tensor import TensorType

FLOAT_ADVICE = "quantise the model to int8 in full (TFLITE_BUILTINS_INT8), weights and activations"


@dataclass(frozen=True)
class Borders:
    """Int8 tensors that are the graph's inputs and outputs; indices of the operators that are left out.

    `equal` maps further int8 copies of an input to the one that stands for them.
    """

    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    operators: frozenset[int]
    equal: dict[int, int]


def find_borders(model: Model) -> Borders:
    """Raises: ModelError for float or uint8 borders without (one) QUANTIZE or DEQUANTIZE next to them."""
    inputs, outputs, left_out, equal = [], [], set(), {}
    all_readers: dict[int, list[Operator]] = {}
    for operator in model.operators:
        for index in set(operator.inputs):
            all_readers.setdefault(index, []).append(operator)
    writers = {index: operator for operator in reversed(model.operators) for index in operator.outputs}
    for index in model.inputs:
        tensor = model.tensors[index]
        if tensor.dtype == "int8":
            inputs.append(index)
            continue
        readers = all_readers.get(index, [])
        targets = _quantized(model, tensor, readers)
        inputs.append(targets[0])
        equal |= dict.fromkeys(targets[1:], targets[0])
        left_out |= {o.index for o in readers}
    for index in model.outputs:
        tensor = model.tensors[index]
        writer = writers.get(index)
        if tensor.dtype != "int8" and writer is not None and _is_border(model, writer, tensor, behind=True):
            outputs.append(writer.inputs[0])
            left_out.add(writer.index)
        else:
            outputs.append(index)
    return Borders(tuple(inputs), tuple(outputs), frozenset(left_out), equal)


def _quantized(model: Model, tensor: Tensor, readers: list[Operator]) -> list[int]:
    """The int8 tensors that every reader of a float (or uint8) input makes of it."""
    if not readers:
        raise ModelError(f"the model's input, {tensor.label}, is {tensor.dtype} and is not used")
    for reader in readers:
        if not _is_border(model, reader, tensor, behind=False):
            raise ModelError(
                f"the model's input, {tensor.label}, is {tensor.dtype} and goes into operator {reader.index}, "
                f"{reader.name}, instead of QUANTIZE", hint=FLOAT_ADVICE,
            )  # fmt: skip
    targets = [r.outputs[0] for r in readers]
    if any(model.tensors[t].quant != model.tensors[targets[0]].quant for t in targets):
        raise ModelError(f"the model's input, {tensor.label}, is quantised in several ways",
                         hint="feed the input through one QUANTIZE")  # fmt: skip
    return targets


def _is_border(model: Model, operator: Operator, outside: Tensor, behind: bool) -> bool:
    """Whether `operator` only changes the form of the border tensor `outside`: float, or the same bytes as uint8."""
    if len(operator.inputs) != 1 or len(operator.outputs) != 1 or min(*operator.inputs, *operator.outputs) < 0:
        return False
    inside = model.tensors[operator.inputs[0] if behind else operator.outputs[0]]
    if inside.dtype != "int8" or inside.quant is None or inside.data is not None or inside.shape != outside.shape:
        return False
    if outside.dtype == "float32":
        return operator.name == ("DEQUANTIZE" if behind else "QUANTIZE")
    if outside.dtype != "uint8" or operator.name != "QUANTIZE" or outside.quant is None:
        return False
    return outside.quant.scales == inside.quant.scales and outside.quant.zero_point - 128 == inside.quant.zero_point


def declare_inputs(graph: GraphUnderWay, borders: Borders) -> None:
    """Raises: ModelError for an input that is no int8 tensor with one scale and zero point."""
    for index in borders.inputs:
        tensor = graph.tensors[index]
        quant = tensor.quant
        if quant is None or quant.axis is not None or not -128 <= quant.zero_point <= 127:
            raise ModelError(f"the model's input, {tensor.label}, needs one scale and a zero point within int8")
        if tensor.data is not None or index in graph.values:
            raise ModelError(f"the model's input, {tensor.label}, already has a value", hint="the file is damaged")
        kind = TensorType(tensor.shape, "int8", quant)
        graph.values[index] = graph.builder.input(graph.names.unique(tensor.name, "input"), kind)
    for copy, original in borders.equal.items():
        graph.values[copy] = graph.values[original]


def outputs(graph: GraphUnderWay, borders: Borders) -> list[str]:
    """The values of the graph's outputs. Raises: ModelError for one that is not computed."""
    for index in borders.outputs:
        tensor = graph.tensors[index]
        if tensor.dtype != "int8":
            raise ModelError(f"the model's output, {tensor.label}, is {tensor.dtype}", hint=FLOAT_ADVICE)
        if index not in graph.values:
            raise ModelError(f"the model's output, {tensor.label}, is not computed by any operator")
    values = [graph.values[i] for i in borders.outputs]
    if len(set(values)) != len(values) or set(values) & set(graph.builder.inputs):
        raise ModelError("a tensor leaves the model twice, or unchanged", hint="remove such outputs from the model")
    return values


@converts("DEQUANTIZE", newest=7, status="folded")
def dequantize(site: Site) -> None:
    """Reached only inside the network: at its borders it is left out."""
    raise site.error("it stands inside the network, where only int8 is supported", FLOAT_ADVICE)
