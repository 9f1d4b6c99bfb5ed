"""Single operators on random grids: the integer reference within one step of onnxruntime, ties aside equal."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip("onnxruntime")


from onnx import TensorProto, helper, numpy_helper  # noqa: E402
from tests.unit.onnx_oracle import layer_differences  # noqa: E402

from tinyml.importers.onnx import convert_onnx  # noqa: E402
from tinyml.ir.interpret import interpret  # noqa: E402

Grid = tuple[float, int]
SCALES = st.floats(-7, 1).map(lambda e: float(np.float32(10.0**e)))
ZEROS = {np.int8: st.sampled_from((-128, -100, -1, 0, 3, 127)), np.uint8: st.sampled_from((0, 1, 100, 128, 255))}
TYPES = st.sampled_from((np.int8, np.uint8))
EXAMPLES = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


class Qdq:
    """A model of one operator between DequantizeLinear and QuantizeLinear, on grids that the test chooses."""

    def __init__(self, dtype: type) -> None:
        self.dtype, self.nodes, self.initializers, self.inputs = dtype, [], [], []

    def constant(self, name: str, data: object) -> str:
        self.initializers.append(numpy_helper.from_array(np.asarray(data), name))
        return name

    def grid(self, name: str, grid: Grid) -> list[str]:
        return [self.constant(f"{name}_s", np.float32(grid[0])), self.constant(f"{name}_z", self.dtype(grid[1]))]

    def source(self, name: str, shape: Sequence[int], grid: Grid) -> str:
        """A float graph input behind QuantizeLinear and DequantizeLinear."""
        self.inputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape)))
        return self.on_grid(name, grid)

    def on_grid(self, name: str, grid: Grid) -> str:
        parameters = self.grid(name, grid)
        self.nodes.append(helper.make_node("QuantizeLinear", [name, *parameters], [f"{name}_q"]))
        self.nodes.append(helper.make_node("DequantizeLinear", [f"{name}_q", *parameters], [f"{name}_d"]))
        return f"{name}_d"

    def weights(self, name: str, data: np.ndarray, scales: np.ndarray, axis: int = 0) -> str:
        zeros = self.constant(f"{name}_z", np.zeros(scales.shape, data.dtype))
        names = [self.constant(name, data), self.constant(f"{name}_s", scales.astype(np.float32)), zeros]
        self.nodes.append(helper.make_node("DequantizeLinear", names, [f"{name}_d"], axis=axis))
        return f"{name}_d"

    def check(
        self, kind: str, inputs: Sequence[str], grid: Grid, *, unequal: float = 0.0, **attributes: object
    ) -> None:
        self.nodes.append(helper.make_node(kind, list(inputs), ["y"], **attributes))
        result = helper.make_tensor_value_info(self.on_grid("y", grid), TensorProto.FLOAT, None)
        graph = helper.make_graph(self.nodes, "one", self.inputs, [result], self.initializers)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        data = model.SerializeToString()
        converted = convert_onnx(data)
        shapes = [converted.graph.types[name].shape for name in converted.graph.inputs]
        random = np.random.default_rng(0)
        inputs = [random.integers(-128, 128, shape).astype(np.int8) for shape in shapes]
        kept = interpret(converted.graph, *inputs, keep=True)
        (found,) = layer_differences(data, converted, kept)
        assert found.worst <= 1 and found.unequal <= unequal, found


@st.composite
def grids(draw: st.DrawFn, dtype: type, near: float | None = None) -> Grid:
    """A random grid; `near` keeps the scale within a factor of 30 of a number, so that outputs are not all clamped."""
    scale = draw(SCALES) if near is None else near * 30.0 ** draw(st.floats(-1, 1))
    return float(np.float32(scale)), draw(ZEROS[dtype])


@EXAMPLES
@given(TYPES, st.data())
def test_conv(dtype: type, data: st.DataObject) -> None:
    """Rounding of a float32 sum may fall on the other side of a tie: hardly any element differs."""
    random = np.random.default_rng(data.draw(st.integers(0, 1000)))
    weights = random.integers(-128, 128, (5, 3, 3, 2)).astype(np.int8)
    scales = 10.0 ** random.uniform(-3, -1, 5 if data.draw(st.booleans()) else ())
    x = data.draw(grids(dtype))
    near = x[0] * float(np.mean(scales)) * 3000
    model = Qdq(dtype)
    steps = x[0] * np.broadcast_to(scales, 5).astype(np.float32)
    names = [model.source("x", (1, 3, 6, 5), x), model.weights("w", weights, scales),
             model.weights("b", random.integers(-3000, 3000, 5).astype(np.int32), steps)]  # fmt: skip
    model.check("Conv", names, data.draw(grids(dtype, near)), unequal=0.05, pads=[1, 0, 1, 1])


@EXAMPLES
@given(TYPES, st.data())
def test_gemm(dtype: type, data: st.DataObject) -> None:
    random = np.random.default_rng(data.draw(st.integers(0, 1000)))
    weights = random.integers(-128, 128, (20, 7)).astype(np.int8)
    scales = 10.0 ** random.uniform(-3, -1, 7)
    x = data.draw(grids(dtype))
    model = Qdq(dtype)
    names = [model.source("x", (1, 20), x), model.weights("w", weights, scales, 1)]
    model.check("Gemm", names, data.draw(grids(dtype, x[0] * float(np.mean(scales)) * 3000)), unequal=0.3)


@EXAMPLES
@given(TYPES, st.sampled_from(("Add", "Sub")), st.data())
def test_sums(dtype: type, kind: str, data: st.DataObject) -> None:
    a = data.draw(grids(dtype))
    b = data.draw(grids(dtype, a[0]))
    model = Qdq(dtype)
    names = [model.source("a", (1, 3, 6, 5), a), model.source("b", (1, 3, 1, 1), b)]
    model.check(kind, names, data.draw(grids(dtype, a[0] + b[0])), unequal=0.5)


@EXAMPLES
@given(TYPES, st.data())
def test_products(dtype: type, data: st.DataObject) -> None:
    a, b = data.draw(grids(dtype)), data.draw(grids(dtype))
    model = Qdq(dtype)
    names = [model.source("a", (1, 3, 6, 5), a), model.source("b", (1, 3, 6, 5), b)]
    model.check("Mul", names, data.draw(grids(dtype, a[0] * b[0] * 100)), unequal=0.5)


@EXAMPLES
@given(TYPES, st.sampled_from(("Sigmoid", "Tanh", "LeakyRelu", "HardSwish", "HardSigmoid", "Relu")), st.data())
def test_functions(dtype: type, kind: str, data: st.DataObject) -> None:
    x = data.draw(grids(dtype))
    near = x[0] if kind in ("LeakyRelu", "HardSwish", "Relu") else 1 / 256
    model = Qdq(dtype)
    model.check(kind, [model.source("x", (1, 16, 4, 4), x)], data.draw(grids(dtype, near)), unequal=0.5)


@EXAMPLES
@given(TYPES, st.integers(1, 200), st.data())
def test_softmax(dtype: type, classes: int, data: st.DataObject) -> None:
    scale = data.draw(st.sampled_from((1 / 256, 1 / 255, 1 / 127, 0.01)))
    model = Qdq(dtype)
    source = model.source("x", (1, classes), data.draw(grids(dtype)))
    model.check("Softmax", [source], (scale, data.draw(ZEROS[dtype])), unequal=1.0)


@EXAMPLES
@given(TYPES, st.booleans(), st.data())
def test_pools_and_means(dtype: type, whole: bool, data: st.DataObject) -> None:
    """On another grid than the input's, where a pool that is rounded twice would be off by more."""
    x = data.draw(grids(dtype))
    model = Qdq(dtype)
    source, target = model.source("x", (1, 5, 7, 4), x), data.draw(grids(dtype, x[0]))
    if whole:
        model.check("GlobalAveragePool", [source], target, unequal=0.3)
    else:
        model.check("AveragePool", [source], target, unequal=0.5, kernel_shape=[3, 2], strides=[2, 1])
