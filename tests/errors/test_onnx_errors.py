"""ONNX files that cannot be imported: the error names the node, what is supported and what to change."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402
from tests.unit.onnx_oracle import FloatNetwork, quantized  # noqa: E402

from tinyml.errors import MissingToolError  # noqa: E402
from tinyml.importers import ModelError, load_model  # noqa: E402
from tinyml.importers.onnx import import_onnx  # noqa: E402

Change = Callable[[onnx.ModelProto], None]


def network() -> FloatNetwork:
    n = FloatNetwork({"x": (1, 3, 6, 5)})
    x = n.conv("x", "c", (3, 4), (3, 3), pads=[1, 1, 1, 1])
    n.add("Gemm", [n.add("Flatten", [x], "f"), n.normal("w", 120, 3, scale=0.2), n.normal("b", 3)], "y")
    return n


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> bytes:
    n = network()
    return quantized(n, n.model("y"), tmp_path_factory.mktemp("model"))


def refused(data: bytes | Path, *parts: str) -> ModelError:
    """Importing fails, and message, details and hint together hold all `parts`."""
    with pytest.raises(ModelError) as caught:
        import_onnx(data)
    error = caught.value
    text = "\n".join([error.message, *error.details, error.hint or ""])
    missing = [part for part in parts if part not in text]
    assert not missing, f"{missing} not in:\n{text}"
    return error


def changed(model: bytes, change: Change) -> bytes:
    proto = onnx.load_model_from_string(model)
    change(proto)
    return proto.SerializeToString()


def initializer(proto: onnx.ModelProto, name: str) -> onnx.TensorProto:
    return next(t for t in proto.graph.initializer if t.name == name)


def replace(proto: onnx.ModelProto, name: str, data: np.ndarray) -> None:
    initializer(proto, name).CopyFrom(numpy_helper.from_array(data, name))


def node(proto: onnx.ModelProto, kind: str) -> onnx.NodeProto:
    return next(n for n in proto.graph.node if n.op_type == kind)


def test_old_and_future_opsets(model: bytes) -> None:
    for version in (12, 999):
        data = changed(model, lambda p, v=version: setattr(p.opset_import[0], "version", v))
        refused(data, f"opset {version}", "supported are 13 to", "opset_version")


def test_operators_that_are_not_supported(model: bytes) -> None:
    refused(changed(model, lambda p: setattr(node(p, "Conv"), "op_type", "ConvTranspose")),
            "ConvTranspose `c_node`", "not supported", "supported: Add, AveragePool", "Resize")  # fmt: skip
    refused(changed(model, lambda p: setattr(node(p, "Conv"), "op_type", "Loop")), "Loop `c_node`", "control flow")
    refused(changed(model, lambda p: setattr(node(p, "Conv"), "domain", "org.example")), "`c_node`", "`org.example`")


def test_batch_normalisation_is_to_be_folded(tmp_path: Path) -> None:
    n = FloatNetwork({"x": (1, 3, 6, 5)})
    x = n.add("MaxPool", ["x"], "p", kernel_shape=[2, 2])
    ones = [n.constant(name, np.ones(3, np.float32)) for name in ("scale", "shift", "mean", "variance")]
    x = n.add("BatchNormalization", [x, *ones], "bn")
    n.conv(x, "y", (3, 2), (1, 1))
    refused(quantized(n, n.model("y"), tmp_path), "BatchNormalization `bn_node`", "fold it into the convolution")


def test_sixteen_bit_activations(tmp_path: Path) -> None:
    n = network()
    data = quantized(n, n.model("y", opset=21), tmp_path, activation="int16")
    refused(data, "int16", "supported are", "QuantType.QInt8")


@pytest.mark.parametrize("code", [TensorProto.INT4, TensorProto.UINT4, TensorProto.FLOAT16, TensorProto.STRING, 77])
def test_other_element_types(model: bytes, code: int) -> None:
    refused(changed(model, lambda p: setattr(p.graph.initializer[0], "data_type", code)), "elements of type")


def test_dynamic_shapes(model: bytes) -> None:
    def dynamic(proto: onnx.ModelProto) -> None:
        proto.graph.input[0].type.tensor_type.shape.dim[2].dim_param = "height"

    refused(changed(model, dynamic), "`x`", "[1, 3, ?, 5]", "only the batch may be dynamic")

    def batch(proto: onnx.ModelProto) -> None:
        proto.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 8

    refused(changed(model, batch), "[8, 3, 6, 5]", "batch of 1", "batch size 1")


def test_float_models(tmp_path: Path) -> None:
    refused(network().model("y").SerializeToString(), "the model is not quantised", "--calibrate")


def test_layers_left_in_float(tmp_path: Path) -> None:
    n = FloatNetwork({"x": (1, 3, 6, 5)})
    x = n.conv(n.conv("x", "first", (3, 4), (1, 1)), "second", (4, 4), (1, 1))
    n.add("Tanh", [n.add("Sigmoid", [x], "s")], "t")
    n.conv("t", "y", (4, 2), (1, 1))
    data = quantized(n, n.model("y"), tmp_path)

    def without_pairs(proto: onnx.ModelProto) -> None:
        node(proto, "Conv")
        second = next(v for v in proto.graph.node if v.name == "second_node")
        steps = next(v for v in proto.graph.node if v.input[0] == second.output[0])
        real = next(v for v in proto.graph.node if v.input[0] == steps.output[0])
        reader = next(v for v in proto.graph.node if real.output[0] in v.input)
        reader.input[0] = second.output[0]

    refused(changed(data, without_pairs), "Sigmoid `s_node`", "`second` is not quantised", "op_types_to_quantize")

    def also_quantised(proto: onnx.ModelProto) -> None:
        """The pair is still there, for an output of its own, but Sigmoid reads the float tensor before it."""
        without_pairs(proto)
        proto.graph.output.append(helper.make_tensor_value_info("second_DequantizeLinear_Output", 1, None))

    refused(changed(data, also_quantised), "Sigmoid `s_node`", "`second` is not quantised")


def test_inputs_on_two_grids(model: bytes) -> None:
    def two(proto: onnx.ModelProto) -> None:
        """A second pair on another grid, which a second output needs."""
        proto.graph.initializer.append(numpy_helper.from_array(np.float32(0.5), "other"))
        nodes = [helper.make_node("QuantizeLinear", ["x", "other", "x_zero_point"], ["again"]),
                 helper.make_node("DequantizeLinear", ["again", "other", "x_zero_point"], ["out"])]  # fmt: skip
        proto.graph.node.extend(nodes)
        proto.graph.output.append(helper.make_tensor_value_info("out", 1, None))

    refused(changed(model, two), "`x` is quantised in two ways")


def test_weights(model: bytes, tmp_path: Path) -> None:
    n = network()
    data = quantized(n, n.model("y"), tmp_path, activation="uint8", weight="uint8", per_channel=False,
                     options={"WeightSymmetric": False})  # fmt: skip
    skewed = onnx.load_model_from_string(data)
    replace(skewed, "c_w_zero_point", np.uint8(3))
    refused(skewed.SerializeToString(), "Conv `c_node`", "around their zero point", '{"WeightSymmetric": True}')

    def float_weights(proto: onnx.ModelProto) -> None:
        proto.graph.initializer.append(numpy_helper.from_array(np.ones((4, 3, 3, 3), np.float32), "plain"))
        node(proto, "Conv").input[1] = "plain"

    refused(changed(model, float_weights), "Conv `c_node`", "weights `plain` are not quantised")
    computed = changed(model, lambda p: node(p, "Conv").input.__setitem__(1, node(p, "Conv").input[0]))
    refused(computed, "Conv `c_node`", "not constant")


@pytest.mark.parametrize("value", [0.0, -0.1, float("nan"), float("inf")])
def test_scales(model: bytes, value: float) -> None:
    for name in ("x_scale", "c_w_scale"):

        def change(proto: onnx.ModelProto, name: str = name) -> None:
            data = numpy_helper.to_array(initializer(proto, name)).copy()
            data[...] = value
            replace(proto, name, data)

        refused(changed(model, change), "finite and positive")


def test_zero_points(model: bytes) -> None:
    refused(changed(model, lambda p: replace(p, "x_zero_point", np.int32(300))), "int32")

    def another_grid(proto: onnx.ModelProto) -> None:
        proto.graph.initializer.append(numpy_helper.from_array(np.int8(3), "other"))
        next(v for v in proto.graph.node if v.input[0] == "x_QuantizeLinear_Output").input[2] = "other"

    refused(changed(model, another_grid), "x_QuantizeLinear_Output", "is not the one that", "zero point 3")
    refused(changed(model, lambda p: replace(p, "c_b_quantized_zero_point", np.full(4, 9, np.int32))), "zero point 0")
    refused(changed(model, lambda p: replace(p, "c_w_scale", np.ones(7, np.float32))), "do not belong together")


def test_sizes_that_the_data_do_not_have(model: bytes) -> None:
    """A shape of many bytes is compared with the data before anything is allocated."""

    def declared(dims: list[int]) -> bytes:
        def change(proto: onnx.ModelProto) -> None:
            tensor = initializer(proto, "c_w_quantized")
            del tensor.dims[:]
            tensor.dims.extend(dims)

        return changed(model, change)

    refused(declared([4, 3, 3, 4]), "c_w_quantized", "holds 108 instead of 144 bytes")
    refused(declared([2**20, 2**20, 3, 3]), "impossible shape")
    refused(declared([-4, -3, 3, 3]), "impossible shape")
    refused(declared([2**13, 2**13]), "instead of 67108864 bytes")


def test_inputs_of_enormous_size(model: bytes) -> None:
    for size in (2**31 - 1, 2**62):

        def change(proto: onnx.ModelProto, size: int = size) -> None:
            proto.graph.input[0].type.tensor_type.shape.dim[2].dim_value = size

        refused(changed(model, change), "`x`", "too large")


def test_cycles_and_missing_constants(model: bytes) -> None:
    last = onnx.load_model_from_string(model).graph.node[-1].output[0]
    refused(changed(model, lambda p: node(p, "Conv").input.__setitem__(0, last)), "Conv `c_node`", last, "cycle")
    refused(changed(model, lambda p: p.graph.initializer.remove(initializer(p, "x_scale"))), "x_scale", "missing")


def test_external_data(model: bytes, tmp_path: Path) -> None:
    proto = onnx.load_model_from_string(model)
    path = tmp_path / "split.onnx"
    onnx.save_model(proto, path, save_as_external_data=True, location="weights.bin", size_threshold=16)
    graph = import_onnx(path)
    assert graph.types == import_onnx(model).types
    refused(path.read_bytes(), "`weights.bin`", "import the file by path")
    short = (tmp_path / "weights.bin").read_bytes()[:20]
    (tmp_path / "weights.bin").write_bytes(short)
    refused(path, "`weights.bin`")
    (tmp_path / "weights.bin").unlink()
    refused(path, "not in `weights.bin`", "keep the model and its data file together")
    outside = onnx.load_model_from_string(path.read_bytes())
    for tensor in outside.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = "../weights.bin"
    (tmp_path / "inner").mkdir()
    (tmp_path / "weights.bin").write_bytes(bytes(10_000))
    (tmp_path / "inner" / "m.onnx").write_bytes(outside.SerializeToString())
    refused(tmp_path / "inner" / "m.onnx", "../weights.bin")


def test_quantised_operators_of_the_other_format(model: bytes) -> None:
    refused(changed(model, lambda p: setattr(node(p, "Conv"), "op_type", "QLinearConv")), "QuantFormat.QDQ")


def test_groups_and_attributes(model: bytes) -> None:
    def set_attribute(name: str, value: object) -> bytes:
        def change(proto: onnx.ModelProto) -> None:
            conv = node(proto, "Conv")
            kept = [a for a in conv.attribute if a.name != name]
            del conv.attribute[:]
            conv.attribute.extend([*kept, helper.make_attribute(name, value)])

        return changed(model, change)

    refused(set_attribute("group", 2), "Conv `c_node`", "2 groups do not fit")
    refused(set_attribute("strides", [1]), "`strides` has 1 values, expected 2")
    refused(set_attribute("dilations", [0, 1]), "Conv `c_node`", "do not fit")
    refused(set_attribute("pads", [-1, 0, 0, 0]), "negative pads")
    refused(set_attribute("kernel_shape", [2, 2]), "kernel_shape")
    refused(set_attribute("auto_pad", "SOMETIMES"), "auto_pad `SOMETIMES`")


def test_files_that_are_missing_or_empty(tmp_path: Path) -> None:
    refused(tmp_path / "no.onnx", "cannot be read")
    (tmp_path / "empty.onnx").write_bytes(b"")
    refused(tmp_path / "empty.onnx", "not an ONNX file")
    with pytest.raises(ModelError, match="no model"):
        load_model(tmp_path / "no.onnx")


def test_without_the_onnx_package(model: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingToolError) as caught:
        import_onnx(model)
    assert caught.value.hint == 'run `pip install "tinyml[onnx]"`'
