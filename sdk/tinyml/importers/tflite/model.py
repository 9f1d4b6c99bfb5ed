"""What a TFLite file holds, checked: tensors with their constants, and operators in execution order."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod

import numpy as np

from tinyml.importers.errors import ModelError
from tinyml.importers.flatbuffer import Table
from tinyml.importers.tflite import schema
from tinyml.ir.tensor import QuantParams

_MOST_TENSORS = 20_000
_MOST_OPERATORS = 4096
_MOST_OPERANDS = 2**16  # of all operators together: a small file could name one long list again and again
_MOST_RANK = 8
_MOST_ELEMENTS = 2**26
_MOST_CONSTANT_BYTES = 2**27
_DTYPES = {"int8", "uint8", "int16", "int32", "int64", "float32", "bool"}


@dataclass(frozen=True)
class Tensor:
    """`quant` is None without quantisation; `data` is a read-only array for constants, else None."""

    index: int
    name: str
    shape: tuple[int, ...]
    dtype: str
    quant: QuantParams | None = None
    data: np.ndarray | None = field(default=None, compare=False, repr=False)

    @property
    def label(self) -> str:
        return f"tensor {self.index} `{self.name}`"

    @property
    def kind(self) -> str:
        """Data type and shape, as errors show them."""
        return f"{self.dtype}{list(self.shape)}"


@dataclass(frozen=True)
class Operator:
    """One operator; input -1 is an input that is left out. `options_type` tells which table `options` is."""

    index: int
    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    version: int
    options_type: int
    options: Table | None = field(compare=False, repr=False)


@dataclass(frozen=True)
class Model:
    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def read_model(data: bytes) -> Model:
    """Read the one subgraph of a TFLite file. Raises: ModelError for damage and for what no operator here can take."""
    root = Table.root(data, schema.IDENTIFIER, "TFLite")
    version = root.scalar(schema.Model.version, "uint32")
    if version != schema.VERSION:
        raise ModelError(f"the file has schema version {version}; version {schema.VERSION} is supported",
                         hint="convert the model with a current TFLite converter")  # fmt: skip
    subgraphs = root.tables(schema.Model.subgraphs, "subgraph", _MOST_TENSORS)
    if len(subgraphs) != 1:
        raise ModelError(f"the model has {len(subgraphs)} subgraphs; models with exactly one are supported",
                         hint="export one signature, without control flow (IF, WHILE, CALL_ONCE)")  # fmt: skip
    codes = [_operator_code(t) for t in root.tables(schema.Model.operator_codes, "operator code", _MOST_TENSORS)]
    buffers = root.tables(schema.Model.buffers, "buffer", _MOST_TENSORS)
    graph = subgraphs[0]
    tensors = _read_tensors(graph.tables(schema.SubGraph.tensors, "tensor", _MOST_TENSORS), buffers, len(data))
    operators = _read_operators(graph, codes, len(tensors))
    inputs, outputs = (_indices(graph, f, len(tensors)) for f in (schema.SubGraph.inputs, schema.SubGraph.outputs))
    for what, indices in (("inputs", inputs), ("outputs", outputs)):
        if not indices or -1 in indices or len(set(indices)) != len(indices):
            raise ModelError(f"the model's {what} are {list(indices)}: expected at least one tensor, each once")
    return Model(tensors, operators, inputs, outputs)


def _operator_code(code: Table) -> tuple[str, int]:
    """Name and version."""
    old = code.scalar(schema.OperatorCode.deprecated_builtin_code, "int8")
    number = max(old, code.scalar(schema.OperatorCode.builtin_code, "int32"))
    name = schema.OPERATORS[number] if 0 <= number < len(schema.OPERATORS) else f"OPERATOR_{number}"
    if name == "CUSTOM":
        name = f"CUSTOM {code.string(schema.OperatorCode.custom_code, 64)}"
    return name, code.scalar(schema.OperatorCode.version, "int32", 1)


def _indices(table: Table, field: int, tensors: int) -> tuple[int, ...]:
    values = table.vector(field, "int32")
    if values.size > _MOST_OPERANDS:
        raise ModelError(f"the file is damaged at {table.what}: it names {values.size:,} tensors")
    if values.size and (values.min() < -1 or values.max() >= tensors):
        raise ModelError(f"the file is damaged at {table.what}: it names a tensor that does not exist")
    return tuple(values.tolist())


def _read_operators(graph: Table, codes: list[tuple[str, int]], tensors: int) -> tuple[Operator, ...]:
    operators, operands = [], 0
    for index, table in enumerate(graph.tables(schema.SubGraph.operators, "operator", _MOST_OPERATORS)):
        operators.append(_read_operator(index, table, codes, tensors))
        operands += len(operators[-1].inputs) + len(operators[-1].outputs)
        if operands > _MOST_OPERANDS:
            raise ModelError(f"the operators have more than {_MOST_OPERANDS:,} inputs and outputs")
    return tuple(operators)


def _read_operator(index: int, table: Table, codes: list[tuple[str, int]], tensors: int) -> Operator:
    code = table.scalar(schema.Operator.opcode_index, "uint32")
    if code >= len(codes):
        raise ModelError(f"the file is damaged at operator {index}: it has no operator code")
    kind = table.scalar(schema.Operator.builtin_options_type, "uint8")
    inputs, outputs = (_indices(table, f, tensors) for f in (schema.Operator.inputs, schema.Operator.outputs))
    options = table.table(schema.Operator.builtin_options, f"the options of operator {index}")
    return Operator(index, codes[code][0], inputs, outputs, codes[code][1], kind, options)


def _read_tensors(tables: list[Table], buffers: list[Table], file_bytes: int) -> tuple[Tensor, ...]:
    tensors, constant_bytes, scales = [], 0, 0
    for index, table in enumerate(tables):
        tensor = _read_tensor(index, table, buffers)
        tensors.append(tensor)
        constant_bytes += 0 if tensor.data is None else tensor.data.nbytes
        scales += 0 if tensor.quant is None else len(tensor.quant.scales)
        if constant_bytes > _MOST_CONSTANT_BYTES or scales > file_bytes:
            raise ModelError(f"the model's constants exceed {_MOST_CONSTANT_BYTES:,} bytes, or its scales the file")
    return tuple(tensors)


def _read_tensor(index: int, table: Table, buffers: list[Table]) -> Tensor:
    number = table.scalar(schema.Tensor.type, "int8")
    dtype = schema.TENSOR_TYPES[number] if 0 <= number < len(schema.TENSOR_TYPES) else f"type {number}"
    name = table.string(schema.Tensor.name, 512)
    label = f"tensor {index} `{name}`"
    if table.scalar(schema.Tensor.is_variable, "bool"):
        raise ModelError(f"{label} is a variable: models with state are not supported",
                         hint="export the model without variables; tinyml makes streaming state itself")  # fmt: skip
    if table.has(schema.Tensor.sparsity):
        raise ModelError(f"{label} is stored sparsely, which is not supported", hint="export dense weights")
    shape = _read_shape(table, label)
    quant = _read_quantization(table, shape, label)
    return Tensor(index, name, shape, dtype, quant, _read_data(table, buffers, shape, dtype, label))


def _read_shape(table: Table, label: str) -> tuple[int, ...]:
    shape = tuple(table.vector(schema.Tensor.shape, "int32")[: _MOST_RANK + 1].tolist())
    signature = table.vector(schema.Tensor.shape_signature, "int32")[: _MOST_RANK + 1].tolist()
    # An unknown batch (first axis) is what every converter writes: this engine runs one item at a time.
    if any(n < 0 for n in (*shape, *signature[1:])) or (signature[:1] == [-1] and shape[:1] not in ((), (1,))):
        raise ModelError(f"{label} has the dynamic shape {signature or list(shape)}: shapes must be fixed",
                         hint="export the model with a fixed input shape and batch 1")  # fmt: skip
    if len(shape) > _MOST_RANK or 0 in shape or prod(shape) > _MOST_ELEMENTS:
        raise ModelError(f"{label} has the shape {list(shape)}, which is empty or too large")
    return shape


def _read_quantization(table: Table, shape: tuple[int, ...], label: str) -> QuantParams | None:
    quant = table.table(schema.Tensor.quantization, f"the quantisation of {label}")
    if quant is None:
        return None
    scales = quant.vector(schema.Quantization.scale, "float32")
    zeros = quant.vector(schema.Quantization.zero_point, "int64")
    if quant.scalar(schema.Quantization.details_type, "uint8") != 0:
        raise ModelError(f"{label} has custom or blockwise quantisation, which is not supported",
                         hint="quantise the weights per channel or per tensor")  # fmt: skip
    if not scales.size:
        return None
    if zeros.size not in (1, scales.size):
        raise ModelError(f"the file is damaged at {label}: {scales.size} scales but {zeros.size} zero points")
    if not np.all(np.isfinite(scales) & (scales > 0)):
        raise ModelError(f"{label} has a quantisation scale that is not positive and finite")
    if np.any(zeros != zeros[0]) or abs(int(zeros[0])) >= 2**31:
        raise ModelError(f"{label} has zero points that differ between channels or exceed 32 bits")
    if scales.size == 1:
        return QuantParams((float(scales[0]),), int(zeros[0]))
    axis = quant.scalar(schema.Quantization.quantized_dimension, "int32")
    if not 0 <= axis < len(shape) or shape[axis] != scales.size:
        found = f"{scales.size} scales do not fit axis {axis} of {list(shape)}"
        raise ModelError(f"the file is damaged at {label}: {found}")
    return QuantParams(tuple(scales.tolist()), int(zeros[0]), axis)


def _read_data(
    table: Table, buffers: list[Table], shape: tuple[int, ...], dtype: str, label: str
) -> np.ndarray | None:
    number = table.scalar(schema.Tensor.buffer, "uint32")
    if number >= len(buffers):
        raise ModelError(f"the file is damaged at {label}: it has no buffer {number}")
    buffer = buffers[number]
    if buffer.scalar(schema.Buffer.offset, "uint64") > 1:
        raise ModelError(f"{label} is stored outside the flatbuffer, which is not supported",
                         hint="export a model below 2 GB in one flatbuffer")  # fmt: skip
    raw = buffer.vector(schema.Buffer.data, "uint8")
    if number == 0 or not raw.size:
        return None
    if dtype not in _DTYPES:
        return raw
    kind = np.dtype(dtype).newbyteorder("<")
    if raw.size != prod(shape) * kind.itemsize:
        raise ModelError(f"the file is damaged at {label}: {raw.size:,} bytes do not fill {dtype}{list(shape)}")
    if dtype == "bool":
        return raw.reshape(shape) != 0
    return np.frombuffer(raw.tobytes(), kind).astype(dtype, copy=False).reshape(shape)
