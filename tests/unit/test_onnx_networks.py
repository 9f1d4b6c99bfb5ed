"""Whole ONNX networks under the quantiser's settings, and the project's own export read back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


from tests.unit.onnx_oracle import (  # noqa: E402
    FloatNetwork,
    check_against_onnxruntime,
    layer_differences,
    quantized,
    random_inputs,
)

from tinyml.importers import load_model  # noqa: E402
from tinyml.importers.onnx import convert_onnx, import_onnx, operator_statuses  # noqa: E402
from tinyml.ir.graph import Graph, GraphBuilder  # noqa: E402
from tinyml.ir.interpret import interpret  # noqa: E402
from tinyml.ir.tensor import Const, QuantParams, TensorType  # noqa: E402
from tinyml.ops import (  # noqa: E402
    Add,
    AveragePool2d,
    Conv2d,
    DepthwiseConv2d,
    FullyConnected,
    Mean,
    Reshape,
    Softmax,
)
from tinyml.quant import write_qdq_onnx  # noqa: E402

TIES = {"within": 1, "unequal": 0.3}


def residual(shape: tuple[int, ...] = (1, 3, 16, 12)) -> FloatNetwork:
    """An inverted residual, a pool and two heads, `probabilities` and `box`, as image networks have them."""
    n = FloatNetwork({"image": shape})
    x = n.add("Relu", [n.conv("image", "stem", (shape[1], 8), (3, 3), strides=[2, 2], pads=[1, 1, 1, 1])], "stem_relu")
    y = n.add("Relu", [n.conv(x, "expand", (8, 16), (1, 1))], "expand_relu")
    y = n.add("Relu", [n.conv(y, "depthwise", (16, 16), (3, 3), group=16, pads=[1, 1, 1, 1])], "depthwise_relu")
    x = n.add("Add", [n.conv(y, "project", (16, 8), (1, 1)), x], "sum")
    x = n.add("MaxPool", [x], "pool", kernel_shape=[2, 2], strides=[2, 2])
    flat = n.add("Flatten", [x], "flat")
    scores = n.add("Gemm", [flat, n.normal("w", 5, 96, scale=0.1), n.normal("b", 5)], "scores", transB=1)
    n.add("Softmax", [scores], "probabilities")
    n.add("MatMul", [flat, n.normal("v", 96, 4, scale=0.1)], "box")
    return n


SETTINGS = {
    "int8 per channel": {},
    "int8 per tensor": {"per_channel": False},
    "uint8 per channel": {"activation": "uint8"},
    "uint8 weights": {"activation": "uint8", "weight": "uint8", "per_channel": False,
                      "options": {"WeightSymmetric": True}},
    "symmetric activations": {"options": {"ActivationSymmetric": True}},
    "activations kept": {"options": {"QDQKeepRemovableActivations": True}},
    "float weights in the file": {"options": {"AddQDQPairToWeight": True}},
    "float biases": {"options": {"QuantizeBias": False}},
}  # fmt: skip


@pytest.mark.parametrize("setting", SETTINGS)
def test_settings_of_the_quantiser(setting: str, tmp_path: Path) -> None:
    network = residual()
    data = quantized(network, network.model("probabilities", "box"), tmp_path, **SETTINGS[setting])
    converted = check_against_onnxruntime(data, **TIES)
    assert converted.graph.types[converted.graph.inputs[0]].shape == (1, 16, 12, 3)
    assert [converted.graph.types[name].shape for name in converted.graph.outputs] == [(1, 5), (1, 4)]
    assert {"conv2d", "depthwise_conv2d", "add", "max_pool2d", "fully_connected", "softmax"} <= {
        node.op.ir_name for node in converted.graph.nodes
    }


@pytest.mark.parametrize("opset", range(13, 22))
def test_opsets(opset: int, tmp_path: Path) -> None:
    network = residual()
    data = quantized(network, network.model("probabilities", "box", opset=opset), tmp_path)
    check_against_onnxruntime(data, **TIES, count=2)


def test_the_optimised_kernels_of_onnxruntime(tmp_path: Path) -> None:
    """They fuse operators and round in integers; a layer is still within one step."""
    network = residual()
    data = quantized(network, network.model("probabilities", "box"), tmp_path)
    converted = convert_onnx(data)
    kept = interpret(converted.graph, *random_inputs(converted), keep=True)
    for item in range(4):
        assert all(d.worst <= 1 for d in layer_differences(data, converted, kept, optimised=True, item=item))


def torch_networks() -> dict[str, tuple[object, tuple[int, ...]]]:
    """An image network of inverted residuals with squeeze and excitation, and a network over time."""
    torch = pytest.importorskip("torch")
    nn = torch.nn

    class Excite(nn.Module):
        def __init__(self, channels: int) -> None:
            super().__init__()
            self.gate = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(channels, 4, 1), nn.ReLU(),
                                      nn.Conv2d(4, channels, 1), nn.Hardsigmoid())  # fmt: skip

        def forward(self, x):  # noqa: ANN001, ANN202 - tensors
            return x * self.gate(x)

    class Residual(nn.Module):
        def __init__(self, channels: int, activation: type) -> None:
            super().__init__()
            wide = 3 * channels
            self.body = nn.Sequential(
                nn.Conv2d(channels, wide, 1, bias=False), nn.BatchNorm2d(wide), activation(),
                nn.Conv2d(wide, wide, 3, 1, 1, groups=wide, bias=False), nn.BatchNorm2d(wide), activation(),
                Excite(wide), nn.Conv2d(wide, channels, 1, bias=False), nn.BatchNorm2d(channels),
            )  # fmt: skip

        def forward(self, x):  # noqa: ANN001, ANN202 - tensors
            return x + self.body(x)

    class OverTime(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.rows, self.out = nn.Conv1d(10, 16, 5, padding=2), nn.Linear(16, 8), nn.Linear(192, 3)

        def forward(self, x):  # noqa: ANN001, ANN202 - tensors
            x = torch.sigmoid(self.rows(torch.tanh(self.conv(x)).transpose(1, 2)))
            first, second = x.chunk(2, -1)
            return self.out(torch.cat([second, first], -1).flatten(1))

    torch.manual_seed(0)
    image = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.Hardswish(), Residual(8, nn.ReLU6), Residual(8, nn.Hardswish),
                          Residual(8, nn.SiLU), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4),
                          nn.Softmax(-1))  # fmt: skip
    return {"image": (image.eval(), (1, 3, 20, 20)), "over time": (OverTime().eval(), (1, 10, 24))}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("opset", [13, 17, 20])
@pytest.mark.parametrize("name", ["image", "over time"])
def test_exports_of_torch(name: str, opset: int, tmp_path: Path) -> None:
    import torch

    module, shape = torch_networks()[name]
    torch.onnx.export(module, torch.zeros(shape), tmp_path / "m.onnx", dynamo=False, opset_version=opset,
                      input_names=["x"], dynamic_axes={"x": {0: "batch"}})  # fmt: skip
    exported = onnx.load(tmp_path / "m.onnx")
    data = quantized(FloatNetwork({"x": shape}), exported, tmp_path)
    check_against_onnxruntime(data, within=1, unequal=0.5, count=2)


def test_a_symbolic_batch_is_one(tmp_path: Path) -> None:
    network = residual()
    data = quantized(network, network.model("probabilities", batch="N"), tmp_path)
    assert import_onnx(data).types["image"].shape == (1, 16, 12, 3)


def test_flattened_images_permute_weights_instead_of_elements(tmp_path: Path) -> None:
    network = residual()
    graph = import_onnx(quantized(network, network.model("probabilities"), tmp_path))
    assert "transpose" not in {node.op.ir_name for node in graph.nodes}


def test_what_no_output_needs_is_not_imported(tmp_path: Path) -> None:
    network = residual()
    graph = import_onnx(quantized(network, network.model("box"), tmp_path))
    assert "softmax" not in {node.op.ir_name for node in graph.nodes}


def test_by_path_and_by_bytes(tmp_path: Path) -> None:
    network = residual()
    data = quantized(network, network.model("box"), tmp_path)
    by_path, by_loader = import_onnx(tmp_path / "qdq.onnx"), load_model(tmp_path / "qdq.onnx")
    assert by_path == by_loader and by_path.name == "qdq"
    assert import_onnx(data, "qdq") == by_path and import_onnx(data).name == "net"


def test_shapes_that_the_model_computes(tmp_path: Path) -> None:
    """torch exports flattening of a dynamic batch as Shape, Gather, Concat and Reshape."""
    n = FloatNetwork({"x": (1, 4, 6, 5)})
    x = n.conv("x", "c", (4, 4), (3, 3))
    size = n.add("Gather", [n.add("Shape", ["x"], "shape"), n.constant("zero", np.int64(0))], "batch", axis=0)
    first = n.add("Unsqueeze", [size, n.constant("axes", np.array([0]))], "first")
    target = n.add("Concat", [first, n.constant("rest", np.array([-1]))], "target", axis=0)
    x = n.add("Reshape", [x, target], "flat")
    y = n.add("Gemm", [x, n.normal("w", 48, 3, scale=0.1)], "y")
    data = quantized(n, n.model(y, batch="batch"), tmp_path)
    check_against_onnxruntime(data)


def without_pair(model: onnx.ModelProto, name: str) -> None:
    """Readers of the dequantised tensor `name` read it as it was computed."""
    steps = next(node for node in model.graph.node if node.op_type == "QuantizeLinear" and node.input[0] == name)
    real = next(node for node in model.graph.node if node.input[0] == steps.output[0])
    for node in model.graph.node:
        for index, value in enumerate(node.input):
            if value == real.output[0]:
                node.input[index] = name
    model.graph.node.remove(steps)
    model.graph.node.remove(real)


def test_chains_of_float_operators(tmp_path: Path) -> None:
    """Between DequantizeLinear and QuantizeLinear, several operators of which only one computes: rounded once."""
    n = FloatNetwork({"x": (1, 3, 9, 8)})
    x = n.add("Relu", [n.conv("x", "c", (3, 4), (3, 3))], "r")
    x = n.add("Transpose", [n.add("MaxPool", [x], "p", kernel_shape=[2, 2])], "t", perm=[0, 1, 3, 2])
    x = n.add("Flatten", [n.add("GlobalAveragePool", [n.conv(x, "d", (4, 6), (3, 3))], "g")], "f")
    n.add("Gemm", [x, n.normal("w", 6, 3)], "y")
    model = onnx.load_model_from_string(quantized(n, n.model("y"), tmp_path))
    before = {node.op_type for node in model.graph.node}
    for name in ("r", "p", "g"):
        without_pair(model, name)
    converted = check_against_onnxruntime(model.SerializeToString(), within=1, unequal=0.2)
    names = [node.op.ir_name for node in converted.graph.nodes]
    assert "MaxPool" in before and names == ["conv2d", "max_pool2d", "transpose", "conv2d", "mean", "fully_connected"]


def test_integer_inputs_and_outputs(tmp_path: Path) -> None:
    n = FloatNetwork({"x": (1, 3, 9, 8)})
    n.conv("x", "y", (3, 4), (3, 3))
    model = onnx.load_model_from_string(quantized(n, n.model("y"), tmp_path, activation="uint8"))
    first, last = next(node for node in model.graph.node if node.input[0] == "x"), model.graph.node[-1]
    model.graph.input[0].name, model.graph.input[0].type.tensor_type.elem_type = first.output[0], 2
    model.graph.output[0].name, model.graph.output[0].type.tensor_type.elem_type = last.input[0], 2
    model.graph.node.remove(first)
    model.graph.node.remove(last)
    graph = import_onnx(model.SerializeToString())
    whole = import_onnx(tmp_path / "qdq.onnx")
    (x,) = random_inputs(convert_onnx(tmp_path / "qdq.onnx"))
    assert [node.op.ir_name for node in graph.nodes] == ["conv2d"]
    assert np.array_equal(interpret(graph, x)[0], interpret(whole, x)[0])


def test_weights_that_the_model_transposes(tmp_path: Path) -> None:
    n = FloatNetwork({"x": (1, 12)})
    n.add("MatMul", ["x", n.normal("w", 12, 5)], "y")
    model = onnx.load_model_from_string(quantized(n, n.model("y"), tmp_path))
    weights = next(t for t in model.graph.initializer if t.name == "w_quantized")
    weights.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(weights).T.copy(), "w_quantized"))
    real = next(node for node in model.graph.node if node.input[0] == "w_quantized")
    product = next(node for node in model.graph.node if node.op_type == "MatMul")
    real.attribute[0].i = 0
    turned = onnx.helper.make_node("Transpose", [real.output[0]], ["w_turned"], perm=[1, 0])
    product.input[1] = "w_turned"
    model.graph.node.insert(list(model.graph.node).index(real) + 1, turned)
    check_against_onnxruntime(model.SerializeToString())


def test_max_pool_of_integers(tmp_path: Path) -> None:
    """As optimised models have it: QuantizeLinear, MaxPool, Transpose, DequantizeLinear."""
    n = FloatNetwork({"x": (1, 4, 6, 5)})
    n.add("MaxPool", [n.conv("x", "c", (4, 4), (3, 3))], "m", kernel_shape=[2, 2])
    model = onnx.load_model_from_string(quantized(n, n.model("m"), tmp_path, activation="uint8"))
    nodes = {node.op_type: node for node in model.graph.node}
    steps = {node.input[0]: node.output[0] for node in model.graph.node if node.op_type == "QuantizeLinear"}
    pool = nodes["MaxPool"]
    before = next(node for node in model.graph.node if node.output[0] == pool.input[0])
    after = next(
        node for node in model.graph.node if node.op_type == "QuantizeLinear" and node.input[0] == pool.output[0]
    )
    last = next(node for node in model.graph.node if node.input[0] == after.output[0])
    pool.input[0], last.input[0] = before.input[0], pool.output[0]
    model.graph.node.remove(after)
    model.graph.node.remove(before)
    assert steps
    graph = import_onnx(model.SerializeToString())
    assert [node.op.ir_name for node in graph.nodes] == ["conv2d", "max_pool2d"]


def test_the_table_of_operators() -> None:
    statuses = operator_statuses()
    assert statuses["Conv"] == "supported" and statuses["Relu"] == "fused" and statuses["Transpose"] == "folded"
    assert statuses["ArgMax"] == "not supported"


def test_names_are_identifiers(tmp_path: Path) -> None:
    n = FloatNetwork({"serving_default:0/image": (1, 2, 4, 4)})
    x = n.conv("serving_default:0/image", "model/conv.1/Conv2D", (2, 3), (1, 1))
    n.add("Relu", [x], "static")
    graph = import_onnx(quantized(n, n.model("static"), tmp_path))
    assert all(name.isidentifier() for name in (*graph.types, *graph.consts))


def own_network() -> Graph:
    """A graph of the project's own operators and rounding, as training leaves it."""
    random, builder = np.random.default_rng(3), GraphBuilder("own")
    x = builder.input("x", TensorType((1, 12, 10, 1), "int8", QuantParams((0.05,), 3)))

    def weighted(name: str, op: object, source: str, shape: tuple[int, ...], axis: int) -> str:
        scales = QuantParams(tuple(random.uniform(0.002, 0.008, shape[axis])), 0, axis)
        weights = builder.const(f"{name}_w", Const.of(random.integers(-127, 128, shape).astype(np.int8), scales))
        bias = builder.const(f"{name}_b", Const.of(random.integers(-500, 500, shape[axis]).astype(np.int32)))
        return builder.add(name, op, source, weights, bias)

    out = QuantParams((0.06,), -10)
    y = weighted("c1", Conv2d((2, 2), (1, 0, 1, 1), out, -10, 127), x, (8, 3, 3, 1), 0)
    z = weighted("d1", DepthwiseConv2d((1, 1), (1, 1, 1, 1), out), y, (1, 3, 3, 8), 3)
    y = builder.add("sum", Add(QuantParams((0.1,), -128), -128, 100), y, z)
    y = builder.add("pool", AveragePool2d((2, 2), (1, 1)), y)
    builder.add("mean", Mean(), y)
    y = builder.add("flat", Reshape((1, 160)), y)
    y = weighted("fc", FullyConnected(QuantParams((0.2,), 5)), y, (4, 160), 0)
    return builder.build(builder.add("softmax", Softmax(), y))


def test_the_own_export_comes_back(tmp_path: Path) -> None:
    """Equal but for `high` rounding, which onnxruntime and the importer do not have."""
    graph = own_network()
    write_qdq_onnx(graph, tmp_path / "own.onnx")
    converted = convert_onnx(tmp_path / "own.onnx")
    back = converted.graph
    assert [back.types[v] for v in back.inputs] == [graph.types[v] for v in graph.inputs]
    for name in ("c1", "d1", "fc"):
        mine, theirs = (next(n for n in g.nodes if n.name == name) for g in (graph, renamed(back)))
        assert {"single"} == {theirs.op.rounding}
        assert (mine.op.out, mine.op.act_min, mine.op.act_max) == (theirs.op.out, theirs.op.act_min, theirs.op.act_max)
        for a, b in zip(mine.inputs[1:], theirs.inputs[1:], strict=True):
            assert np.array_equal(graph.consts[a].data, renamed(back).consts[b].data)
    (x,) = random_inputs(converted, 20)
    (ours,), (theirs,) = interpret(graph, x), interpret(back, x)
    assert np.abs(ours.astype(int) - theirs).max() <= 2 and np.mean(ours != theirs) < 0.05


def renamed(graph: Graph) -> Graph:
    """Layers of an export are called after their float results."""
    nodes = tuple(type(n)(n.name.removesuffix("_sum").removesuffix("_clamped"), n.op, n.inputs, n.outputs)
                  for n in graph.nodes)  # fmt: skip
    return Graph(graph.name, graph.inputs, graph.outputs, nodes, graph.types, graph.consts)
