"""Small ONNX networks, quantised by onnxruntime, and each of their operators run there on given integers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from tinyml.compiler import HostModel, compile_graph
from tinyml.importers.onnx import Converted, convert_onnx
from tinyml.ir.interpret import interpret
from tinyml.toolchain.host import HOST

onnxruntime.set_default_logger_severity(3)


@dataclass
class FloatNetwork:
    """Builds a float ONNX model node by node; parameters come from one seed."""

    inputs: dict[str, tuple[int, ...]]
    seed: int = 0
    nodes: list = field(default_factory=list)
    initializers: list = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = np.random.default_rng(self.seed)

    def constant(self, name: str, data: np.ndarray) -> str:
        self.initializers.append(numpy_helper.from_array(np.asarray(data), name))
        return name

    def normal(self, name: str, *shape: int, scale: float = 1.0) -> str:
        return self.constant(name, (self.random.standard_normal(shape) * scale).astype(np.float32))

    def add(self, kind: str, inputs: Sequence[str], *outputs: str, **attributes: object) -> str:
        self.nodes.append(helper.make_node(kind, list(inputs), list(outputs), name=f"{outputs[0]}_node", **attributes))
        return outputs[0]

    def conv(self, x: str, out: str, channels: tuple[int, int], kernel: tuple[int, ...], *, group: int = 1,
             bias: bool = True, **attributes: object) -> str:  # fmt: skip
        inputs, outputs = channels
        fan_in = inputs // group * int(np.prod(kernel))
        weights = self.normal(f"{out}_w", outputs, inputs // group, *kernel, scale=fan_in**-0.5)
        names = [x, weights, *([self.normal(f"{out}_b", outputs, scale=0.3)] if bias else [])]
        return self.add("Conv", names, out, kernel_shape=list(kernel), group=group, **attributes)

    def model(self, *outputs: str, opset: int = 17, batch: object = 1) -> onnx.ModelProto:
        infos = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [batch, *s[1:]]) for n, s in self.inputs.items()]
        ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in outputs]
        graph = helper.make_graph(self.nodes, "net", infos, ends, self.initializers)
        ir_version = 7 if opset < 15 else 8 if opset < 19 else 10
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir_version)
        model = onnx.shape_inference.infer_shapes(model, strict_mode=True)
        onnx.checker.check_model(model, full_check=True)
        return model


class Reader(CalibrationDataReader):
    """Normal noise as calibration data."""

    def __init__(self, inputs: dict[str, tuple[int, ...]], count: int = 4) -> None:
        random = np.random.default_rng(5)
        self.items = [
            {n: random.standard_normal(s).astype(np.float32) for n, s in inputs.items()} for _ in range(count)
        ]

    def get_next(self) -> dict | None:
        return self.items.pop() if self.items else None


def quantized(
    network: FloatNetwork, model: onnx.ModelProto, folder: Path, *, activation: str = "int8", per_channel: bool = True,
    weight: str = "int8", options: dict | None = None,
) -> bytes:  # fmt: skip
    """The model in QDQ form, as `quantize_static` writes it."""
    types = {"int8": QuantType.QInt8, "uint8": QuantType.QUInt8, "int16": QuantType.QInt16}
    source, target = folder / "float.onnx", folder / "qdq.onnx"
    onnx.save(model, source)
    quantize_static(
        source, target, Reader(network.inputs), quant_format=QuantFormat.QDQ, per_channel=per_channel,
        activation_type=types[activation], weight_type=types[weight], extra_options=options or {},
    )  # fmt: skip
    return target.read_bytes()


def random_inputs(converted: Converted, count: int = 4, seed: int = 1) -> list[np.ndarray]:
    """Random int8 inputs of a graph, the last two all -128 and all 127."""
    random = np.random.default_rng(seed)
    result = []
    for name in converted.graph.inputs:
        shape = converted.graph.types[name].shape[1:]
        data = random.integers(-128, 128, (count, *shape)).astype(np.int8)
        data[-2:] = np.array([-128, 127], np.int8).reshape(2, *(1,) * len(shape))
        result.append(data)
    return result


@dataclass(frozen=True)
class Difference:
    """How far one quantised tensor lies from onnxruntime's, in steps."""

    tensor: str
    worst: int
    unequal: float


def layer_differences(data: bytes, converted: Converted, kept: dict[str, np.ndarray], *, optimised: bool = False,
                      item: int = 0) -> list[Difference]:  # fmt: skip
    """Every QuantizeLinear's result against onnxruntime's, which computes it from our integers of the layers before."""
    model = onnx.load_model_from_string(data)
    steps = {n.output[0]: n for n in model.graph.node if n.op_type == "QuantizeLinear"}
    constants = {i.name for i in model.graph.initializer}
    steps = {name: node for name, node in steps.items() if node.input[0] not in constants}
    producers = {o: n for n in model.graph.node for o in n.output}
    differences = []
    borders = {i.name for i in model.graph.input}
    for name, node in steps.items():
        if not _reads(producers, name, steps) & borders:
            session, sources = _submodel(model, producers, name, steps, optimised)
            feeds = {s: _as_onnx(model, steps[s], converted, kept, s, item) for s in sources}
            (theirs,) = session.run([name], feeds)
            ours = _as_onnx(model, node, converted, kept, name, item)
            gap = np.abs(theirs.astype(np.int32) - ours.astype(np.int32))
            assert theirs.shape == ours.shape
            differences.append(Difference(name, int(gap.max()), float(np.mean(gap > 0))))
    assert differences
    return differences


def _as_onnx(model: onnx.ModelProto, quantize, converted: Converted, kept: dict[str, np.ndarray], name: str,
             item: int) -> np.ndarray:  # fmt: skip
    """One item of a computed tensor in ONNX's shape and type."""
    tensor = converted.tensors[name]
    data = tensor.layout.from_memory(kept[tensor.value][item])
    zero = next(i for i in model.graph.initializer if i.name == quantize.input[2])
    return (data.astype(np.int16) + 128).astype(np.uint8) if zero.data_type == TensorProto.UINT8 else data


def _reads(producers: dict, name: str, cuts: Iterable[str]) -> set[str]:
    """All values between `name` and the quantised tensors before it."""
    wanted, seen = [name], set()
    while wanted:
        value = wanted.pop()
        if value not in seen and (value == name or value not in cuts):
            seen.add(value)
            wanted += [i for i in producers[value].input if i] if value in producers else []
    return seen


def _submodel(model: onnx.ModelProto, producers: dict, name: str, cuts: Iterable[str], optimised: bool) -> tuple:
    """A session that computes `name` from the quantised tensors before it, and their names."""
    wanted, nodes, sources = [name], [], []
    while wanted:
        value = wanted.pop()
        if value in cuts and value != name:
            sources.append(value)
        elif value in producers and producers[value] not in nodes:
            nodes.append(producers[value])
            wanted += [i for i in producers[value].input if i]
    order = [n for n in model.graph.node if n in nodes]
    zero_points = {i.name: i.data_type for i in model.graph.initializer}
    inputs = [
        helper.make_tensor_value_info(s, zero_points[producers[s].input[2]], None) for s in dict.fromkeys(sources)
    ]
    output = helper.make_tensor_value_info(name, zero_points[producers[name].input[2]], None)
    used = {i for n in order for i in n.input}
    graph = helper.make_graph(order, "cut", inputs, [output], [i for i in model.graph.initializer if i.name in used])
    cut = helper.make_model(graph, opset_imports=list(model.opset_import), ir_version=model.ir_version)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    levels = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = levels.ORT_ENABLE_ALL if optimised else levels.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(cut.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session, list(dict.fromkeys(sources))


def check_against_onnxruntime(data: bytes, *, within: int = 0, unequal: float = 0.0, count: int = 4) -> Converted:
    """Import, then compare every layer with onnxruntime and the compiled C with the integer reference.

    `within` and `unequal`: the largest difference in steps and the largest share of elements that differ at all.
    """
    converted = convert_onnx(data, "net")
    inputs = random_inputs(converted, count)
    kept = interpret(converted.graph, *inputs, keep=True)
    for item in range(count):
        for found in layer_differences(data, converted, kept, item=item):
            assert found.worst <= within and found.unequal <= unequal, f"item {item}: {found}"
    c = HostModel(compile_graph(converted.graph, HOST)).invoke(*inputs)
    for name, result in zip(converted.graph.outputs, c if isinstance(c, tuple) else (c,), strict=True):
        assert np.array_equal(result, kept[name]), f"the C of `{name}` differs from the integer reference"
    return converted
