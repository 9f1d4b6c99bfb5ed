"""Random networks for tests: small DS-CNNs with plausible scales, from a seed."""

from __future__ import annotations

import numpy as np

from tinyml.ir.graph import Graph, GraphBuilder
from tinyml.ir.tensor import Const, QuantParams, TensorType
from tinyml.ops import Conv2d, DepthwiseConv2d, FullyConnected, Mean, Softmax


class NetworkBuilder:
    """A `GraphBuilder` that draws weights and picks output scales which keep activations spread over int8."""

    def __init__(self, name: str, seed: int) -> None:
        self.graph = GraphBuilder(name)
        self.random = np.random.default_rng(seed)
        self.index = 0

    def input(self, shape: tuple[int, ...], scale: float = 0.25, zero_point: int = 3) -> str:
        return self.graph.input("x", TensorType(shape, "int8", QuantParams((scale,), zero_point)))

    def _weights(self, shape: tuple[int, ...], axis: int, x: str, gain: float) -> tuple[str, str, QuantParams]:
        """Constants for the next layer, and an output quantisation with relu's zero point."""
        self.index += 1
        kind = self.graph.types[x]
        scales = tuple(float(s) for s in self.random.uniform(0.002, 0.01, shape[axis]))
        data = self.random.integers(-127, 128, shape).astype(np.int8)
        taps = data.size // shape[axis]
        out = QuantParams((kind.quant.scale * 0.006 * 50 * 75 * taps**0.5 / 100 / gain,), -128)
        bias = self.random.integers(-2000, 2000, shape[axis]).astype(np.int32)
        weights = self.graph.const(f"w{self.index}", Const.of(data, QuantParams(scales, 0, axis)))
        return weights, self.graph.const(f"b{self.index}", Const.of(bias)), out

    def conv(self, x: str, channels: int, kernel=(1, 1), stride=(1, 1), padding=(0, 0, 0, 0)) -> str:
        shape = (channels, *kernel, self.graph.types[x].shape[-1])
        weights, bias, out = self._weights(shape, 0, x, 1.0)
        return self.graph.add(f"conv_{self.index}", Conv2d(stride, padding, out), x, weights, bias)

    def depthwise(self, x: str, kernel=(3, 3), stride=(1, 1), padding=(1, 1, 1, 1)) -> str:
        weights, bias, out = self._weights((1, *kernel, self.graph.types[x].shape[-1]), 3, x, 1.0)
        return self.graph.add(f"depthwise_{self.index}", DepthwiseConv2d(stride, padding, out), x, weights, bias)

    def classify(self, x: str, classes: int) -> Graph:
        """Mean, fully connected, softmax; returns the finished graph."""
        mean = self.graph.add("mean", Mean(), x)
        weights, bias, out = self._weights((classes, self.graph.types[mean].shape[-1]), 0, mean, 1.0)
        logits = self.graph.add("logits", FullyConnected(QuantParams((out.scale,), 0)), mean, weights, bias)
        return self.graph.build(self.graph.add("scores", Softmax(), logits))


def ds_cnn(
    seed: int = 0, *, shape: tuple[int, int] = (49, 40), channels: int = 16, blocks: int = 2, classes: int = 6,
    kernel: tuple[int, int] = (10, 4), stride: tuple[int, int] = (2, 2),
) -> Graph:  # fmt: skip
    """A DS-CNN with random weights: one convolution, `blocks` of depthwise 3x3 and pointwise, mean, classifier."""
    net = NetworkBuilder(f"ds_cnn_{seed}", seed)
    padding = _same(shape, kernel, stride)
    x = net.conv(net.input((1, *shape, 1)), channels, kernel, stride, padding)
    for _ in range(blocks):
        x = net.conv(net.depthwise(x), channels)
    return net.classify(x, classes)


def image_network() -> Graph:
    """Large tensors at the start, small ones behind them."""
    net = NetworkBuilder("image", 6)
    x = net.conv(net.input((1, 32, 32, 3)), 16, (3, 3), (1, 1), (1, 1, 1, 1))
    x = net.conv(net.depthwise(x, stride=(2, 2)), 8)
    x = net.conv(net.depthwise(x, stride=(2, 2)), 8)
    return net.classify(x, 4)


def frames_network() -> Graph:
    """Valid and of stride 1 in time."""
    net = NetworkBuilder("frames", 4)
    x = net.depthwise(net.conv(net.input((1, 9, 1, 6)), 8, (3, 1)), (4, 1), padding=(0, 0, 0, 0))
    return net.classify(x, 3)


def random_input(graph: Graph, seed: int = 0, batch: int = 1) -> np.ndarray:
    """int8 input of `graph`, uniform over the whole range."""
    shape = graph.types[graph.inputs[0]].shape
    return np.random.default_rng(seed).integers(-128, 128, (batch, *shape[1:])).astype(np.int8)


def _same(size: tuple[int, int], kernel: tuple[int, int], stride: tuple[int, int]) -> tuple[int, int, int, int]:
    """TensorFlow's SAME padding as (top, bottom, left, right)."""
    total = [max(0, (-(-n // s) - 1) * s + k - n) for n, k, s in zip(size, kernel, stride, strict=True)]
    return (total[0] // 2, total[0] - total[0] // 2, total[1] // 2, total[1] - total[1] // 2)
