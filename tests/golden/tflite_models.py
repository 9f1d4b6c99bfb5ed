"""Small .tflite files written for tests, and LiteRT's reference kernels to run them on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from tinyml.ir.tensor import QuantParams

ZERO_POINTS = (-128, 127, 0)
_TYPES = {
    "int8": schema.TensorType.INT8, "int32": schema.TensorType.INT32, "int16": schema.TensorType.INT16,
    "float32": schema.TensorType.FLOAT32, "uint8": schema.TensorType.UINT8,
}  # fmt: skip


@dataclass
class ModelWriter:
    """Collects tensors and operators of one subgraph; `bytes()` is the file."""

    tensors: list[schema.TensorT] = field(default_factory=list)
    buffers: list[schema.BufferT] = field(default_factory=lambda: [schema.BufferT()])
    codes: list[schema.OperatorCodeT] = field(default_factory=list)
    operators: list[schema.OperatorT] = field(default_factory=list)

    def tensor(
        self, shape: Sequence[int], dtype: str = "int8", scales: Sequence[float] = (), zero_point: int = 0,
        axis: int = 0, data: np.ndarray | None = None,
    ) -> int:  # fmt: skip
        """Adds a tensor (constant when it has data) and returns its index."""
        tensor, buffer = schema.TensorT(), schema.BufferT()
        tensor.name, tensor.shape, tensor.type = f"t{len(self.tensors)}", list(shape), _TYPES[dtype]
        if data is not None:
            buffer.data = np.ascontiguousarray(data, dtype).tobytes()
        tensor.buffer = len(self.buffers)
        if scales:
            tensor.quantization = schema.QuantizationParametersT()
            tensor.quantization.scale = [float(s) for s in scales]
            tensor.quantization.zeroPoint = [zero_point] * len(scales)
            tensor.quantization.quantizedDimension = axis
        self.buffers.append(buffer)
        self.tensors.append(tensor)
        return len(self.tensors) - 1

    def operator(
        self, name: str, inputs: Sequence[int], outputs: Sequence[int], version: int = 1, **options: object
    ) -> None:
        """Adds the builtin `name`, such as `CONV_2D`, with the fields of its options table."""
        code = schema.OperatorCodeT()
        code.builtinCode = getattr(schema.BuiltinOperator, name)
        code.deprecatedBuiltinCode, code.version = min(code.builtinCode, 127), version
        op = schema.OperatorT()
        op.opcodeIndex, op.inputs, op.outputs = len(self.codes), list(inputs), list(outputs)
        table = options.pop("table", None)
        if table is not None:
            op.builtinOptionsType = getattr(schema.BuiltinOptions, table)
            op.builtinOptions = getattr(schema, f"{table}T")()
            for key, value in options.items():
                assert hasattr(op.builtinOptions, key), key
                setattr(op.builtinOptions, key, value)
        self.codes.append(code)
        self.operators.append(op)

    def bytes(self, inputs: Sequence[int], outputs: Sequence[int]) -> bytes:
        graph, model = schema.SubGraphT(), schema.ModelT()
        graph.tensors, graph.operators = self.tensors, self.operators
        graph.inputs, graph.outputs, graph.name = list(inputs), list(outputs), "main"
        model.version, model.subgraphs, model.operatorCodes, model.buffers = 3, [graph], self.codes, self.buffers
        model.description = "written by a test"
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())


def run_reference(model: bytes, *inputs: np.ndarray) -> tuple[np.ndarray, ...]:
    """The outputs of LiteRT's reference kernels for `model`."""
    interpreter = Interpreter(model_content=model, experimental_op_resolver_type=OpResolverType.BUILTIN_REF)
    interpreter.allocate_tensors()
    for detail, data in zip(interpreter.get_input_details(), inputs, strict=True):
        interpreter.set_tensor(detail["index"], data)
    interpreter.invoke()
    return tuple(interpreter.get_tensor(d["index"]).copy() for d in interpreter.get_output_details())


class Draw:
    """Random attributes from a seed."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)

    def between(self, low: int, high: int) -> int:
        return int(self.random.integers(low, high + 1))

    def one_of(self, *choices: object) -> object:
        return choices[self.between(0, len(choices) - 1)]

    def scale(self, low: float, high: float) -> float:
        return float(np.float32(np.exp(self.random.uniform(np.log(low), np.log(high)))))

    def zero(self) -> int:
        return self.one_of(*ZERO_POINTS, self.between(-128, 127), self.between(-128, 127))

    def quant(self, low: float = 0.005, high: float = 0.5) -> QuantParams:
        return QuantParams((self.scale(low, high),), self.zero())

    def bytes(self, *shape: int) -> np.ndarray:
        spread = self.one_of(None, 30)
        if spread is None:
            return self.random.integers(-128, 128, shape).astype(np.int8)
        return self.random.normal(self.between(-60, 60), spread, shape).clip(-128, 127).astype(np.int8)


class Model:
    """A model of one operator under construction, with the inputs it is run on."""

    def __init__(self) -> None:
        self.writer, self.inputs, self.data = ModelWriter(), [], []

    def input(self, data: np.ndarray, quant: QuantParams) -> int:
        index = self.writer.tensor(data.shape, "int8", quant.scales, quant.zero_point)
        self.inputs.append(index)
        self.data.append(data)
        return index

    def const(self, data: np.ndarray, quant: QuantParams | None = None) -> int:
        scales, zero, axis = ((), 0, 0) if quant is None else (quant.scales, quant.zero_point, quant.axis or 0)
        return self.writer.tensor(data.shape, data.dtype.name, scales, zero, axis, data)

    def run(self, name: str, operands: list[int], shape: tuple[int, ...], quant: QuantParams, **options: object):
        out = self.writer.tensor(shape, "int8", quant.scales, quant.zero_point)
        self.writer.operator(name, operands, [out], **options)
        return run_reference(self.writer.bytes(self.inputs, [out]), *self.data)[0]
