"""From the quantised network to `ir.Graph`: NCHW becomes NHWC, torch ends here."""

from __future__ import annotations

import numpy as np

from tinyml.errors import ProjectError
from tinyml.ir.graph import Graph, GraphBuilder
from tinyml.ir.tensor import Const, QuantParams, TensorType
from tinyml.models.trace import Layer
from tinyml.ops import AveragePool2d, Conv2d, DepthwiseConv2d, FullyConnected, Mean, Reshape, Softmax
from tinyml.quant.layers import Integers, MultiplyAccumulate, Output
from tinyml.quant.network import QatNetwork


def lower(network: QatNetwork, *, name: str = "model") -> Graph:
    """The graph of `network`, ending in a Softmax over the class scores."""
    return _Lowering(network, name).run()


class _Lowering:
    def __init__(self, network: QatNetwork, name: str) -> None:
        self.network = network
        self.builder = GraphBuilder(name)
        self.value: dict[str, str] = {}  # layer -> value of the graph
        self.flattened: dict[str, tuple[int, int, int]] = {}  # layer -> (C, H, W) it was flattened from

    def run(self) -> Graph:
        channels, height, width = self.network.input_shape
        kind = TensorType((1, height, width, channels), "int8", self.network.input_quant)
        self.value["input"] = self.builder.input("input", kind)
        for layer in self.network.layers:
            self.value[layer.name] = self._emit(layer)
        last = self.network.layers[-1].name
        if last in self.flattened:
            raise ProjectError(f"the class scores are a flattened map (layer `{last}`)", hint="end with a Linear layer")
        return self.builder.build(self.builder.add("softmax", Softmax(), self.value[last]))

    def _emit(self, layer: Layer) -> str:
        module = self.network.body[layer.name]
        inputs = [self.value[name] for name in layer.inputs]
        if isinstance(module, MultiplyAccumulate):
            return self._multiply_accumulate(layer, module)
        if layer.kind == "add":
            return self._addition(layer, inputs)
        if layer.kind == "flatten":
            return self._flatten(layer, inputs[0])
        op = Mean() if layer.kind == "mean" else AveragePool2d(module.kernel, module.stride)
        return self.builder.add(layer.name, op, self._as_map(layer.inputs[0], inputs[0]))

    def _flatten(self, layer: Layer, source: str) -> str:
        shape = self._torch_shape(layer.inputs[0])
        if len(shape) == 3 and shape[1] * shape[2] > 1:
            self.flattened[layer.name] = shape
        if len(self.builder.types[source].shape) == 2:
            return source
        return self.builder.add(layer.name, Reshape((1, layer.shape[0])), source)

    def _addition(self, layer: Layer, inputs: list[str]) -> str:
        orders = {self.flattened.get(name) for name in layer.inputs}
        if len(orders) > 1:
            raise ProjectError(f"layer `{layer.name}` adds a flattened map to something else",
                               hint="add before the Flatten, or put a Linear between them")  # fmt: skip
        if order := orders.pop():
            self.flattened[layer.name] = order
        if any(len(self.builder.types[value].shape) == 4 for value in inputs):
            inputs = [self._as_map(name, value) for name, value in zip(layer.inputs, inputs, strict=True)]
        return self.builder.add(layer.name, self.network.body[layer.name].operator(), *inputs)

    def _torch_shape(self, name: str) -> tuple[int, ...]:
        if name == "input":
            return self.network.input_shape
        return next(layer.shape for layer in self.network.layers if layer.name == name)

    def _as_map(self, layer: str, source: str) -> str:
        """The value of `layer` with four axes: a global mean has only two."""
        kind = self.builder.types[source]
        if len(kind.shape) == 4:
            return source
        if f"{layer}_map" not in self.builder.types:
            self.builder.add(f"{layer}_map", Reshape((1, 1, 1, kind.shape[1])), source)
        return f"{layer}_map"

    def _multiply_accumulate(self, layer: Layer, module: MultiplyAccumulate) -> str:
        source = self.value[layer.inputs[0]]
        in_scale = self.builder.types[source].quant.scale
        integers = module.integers(in_scale)
        out = module.output(float((integers.weight_scales * in_scale).max()))
        if layer.kind == "linear":
            return self._fully_connected(layer, source, integers, out)
        return self._convolution(layer, module, self._as_map(layer.inputs[0], source), integers, out)

    def _constants(self, layer: Layer, weights: np.ndarray, axis: int, integers: Integers) -> tuple[str, str]:
        quant = QuantParams(tuple(integers.weight_scales.tolist()), 0, axis)
        return (self.builder.const(f"{layer.name}_weights", Const.of(weights, quant)),
                self.builder.const(f"{layer.name}_bias", Const.of(integers.bias.numpy())))  # fmt: skip

    def _fully_connected(self, layer: Layer, source: str, integers: Integers, out: Output) -> str:
        weights = integers.weights.numpy()
        if layer.inputs[0] in self.flattened:
            channels, height, width = self.flattened[layer.inputs[0]]
            weights = weights.reshape(-1, channels, height, width).transpose(0, 2, 3, 1).reshape(len(weights), -1)
        op = FullyConnected(_quant(out), out.act_min, out.act_max, "high")
        return self.builder.add(layer.name, op, source, *self._constants(layer, weights, 0, integers))

    def _convolution(
        self, layer: Layer, module: MultiplyAccumulate, source: str, integers: Integers, out: Output
    ) -> str:
        (left, right, top, bottom), stride, dilation, groups = module.source
        kind, axis, order = (DepthwiseConv2d, 3, (1, 2, 3, 0)) if groups > 1 else (Conv2d, 0, (0, 2, 3, 1))
        op = kind(stride, (top, bottom, left, right), _quant(out), out.act_min, out.act_max, dilation, "high")
        weights = integers.weights.numpy().transpose(order)
        return self.builder.add(layer.name, op, source, *self._constants(layer, weights, axis, integers))


def _quant(out: Output) -> QuantParams:
    return QuantParams((out.scale,), out.zero_point)
