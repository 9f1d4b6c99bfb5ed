"""Weightless networks of usual shapes, and the steps that real operators give a planner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from tinyml.compiler import Step
from tinyml.ir.graph import Graph, GraphBuilder
from tinyml.ir.op import Overlap
from tinyml.ir.tensor import Const, QuantParams, TensorType
from tinyml.ops import Add, Conv2d, DepthwiseConv2d, FullyConnected, Mean

# (channels, stride, expansion) of the blocks of a MobileNetV2
MOBILE_BLOCKS = (
    (16, 1, 1), (24, 2, 6), (24, 1, 6), (32, 2, 6), (32, 1, 6), (32, 1, 6), (64, 2, 6), (64, 1, 6), (64, 1, 6),
    (64, 1, 6), (96, 1, 6), (96, 1, 6), (96, 1, 6), (160, 2, 6), (160, 1, 6), (160, 1, 6), (320, 1, 6),
)  # fmt: skip
_QUANT = QuantParams((0.02,), -128)


@dataclass
class Weightless:
    """Adds layers whose constants carry no data; a scale for every channel."""

    graph: GraphBuilder
    index: int = field(default=0)

    def _constants(self, shape: tuple[int, ...], axis: int) -> tuple[str, str]:
        self.index += 1
        scales = tuple(0.001 + 1e-6 * channel for channel in range(shape[axis]))
        weights = Const(TensorType(shape, "int8", QuantParams(scales, 0, axis)), f"{self.index:064x}")
        bias = Const(TensorType((shape[axis],), "int32"), f"{self.index:064x}")
        return self.graph.const(f"w{self.index}", weights), self.graph.const(f"b{self.index}", bias)

    def channels(self, x: str) -> int:
        return self.graph.types[x].shape[-1]

    def conv(self, x: str, channels: int, kernel: int = 1, stride: int = 1) -> str:
        constants = self._constants((channels, kernel, kernel, self.channels(x)), 0)
        op = Conv2d((stride, stride), _same(kernel, stride), _QUANT)
        return self.graph.add(f"conv_{self.index}", op, x, *constants)

    def depthwise(self, x: str, stride: int = 1) -> str:
        constants = self._constants((1, 3, 3, self.channels(x)), 3)
        op = DepthwiseConv2d((stride, stride), _same(3, stride), _QUANT)
        return self.graph.add(f"depthwise_{self.index}", op, x, *constants)

    def add(self, a: str, b: str) -> str:
        return self.graph.add(f"add_{self.index}", Add(_QUANT), a, b)

    def classify(self, x: str, classes: int) -> Graph:
        mean = self.graph.add("mean", Mean(), x)
        constants = self._constants((classes, self.channels(mean)), 0)
        return self.graph.build(self.graph.add("scores", FullyConnected(_QUANT), mean, *constants))


def _same(kernel: int, stride: int) -> tuple[int, int, int, int]:
    """SAME padding of an even input."""
    before, after = (kernel - stride) // 2, kernel - stride - (kernel - stride) // 2
    return (0, 0, 0, 0) if kernel == 1 else (before, after, before, after)


def start(name: str, size: int, channels: int = 3) -> tuple[Weightless, str]:
    """A builder and its input [1, size, size, channels]."""
    net = Weightless(GraphBuilder(name))
    return net, net.graph.input("x", TensorType((1, size, size, channels), "int8", _QUANT))


def inverted_residual(size: int = 96, blocks: Sequence[tuple[int, int, int]] = MOBILE_BLOCKS) -> Graph:
    """A MobileNetV2 without weights; 64 layers by default."""
    net, x = start("inverted_residual", size)
    x = net.conv(x, 16, 3, 2)
    for channels, stride, expansion in blocks:
        skip = x
        if expansion > 1:
            x = net.conv(x, net.channels(x) * expansion)
        x = net.conv(net.depthwise(x, stride), channels)
        if stride == 1 and channels == net.channels(skip):
            x = net.add(skip, x)
    return net.classify(x, 2)


def residual(size: int = 32, widths: Sequence[int] = (16, 32, 64), depth: int = 3) -> Graph:
    """A ResNet of two 3x3 convolutions a block without weights."""
    net, x = start("residual", size)
    x = net.conv(x, widths[0], 3)
    for stage, width in enumerate(widths):
        for block in range(depth):
            stride = 2 if stage and not block else 1
            skip = x if net.channels(x) == width else net.conv(x, width, 1, stride)
            x = net.add(skip, net.conv(net.conv(x, width, 3, stride), width, 3))
    return net.classify(x, 10)


def zero_weights(const: Const) -> Const:
    """A constant of the same type, full of zeros."""
    return Const.of(np.zeros(const.type.shape, const.type.dtype), const.type.quant)


Problem = tuple[list[Step], dict[str, int], list[str], list[str]]


def residual_steps(seed: int, blocks: int) -> Problem:
    """Steps of a random residual network with the overlaps and the scratch of real operators, whatever kernels the
    project has today."""
    random = np.random.default_rng(seed)
    sizes, steps, x = {"x": int(random.integers(500, 20_000))}, [], "x"

    def layer(reads: tuple[str, ...], size: int, overlap: Overlap | None, scratch: int) -> str:
        name = f"t{len(steps)}"
        sizes[name] = size
        pairs = {} if overlap is None else {(read, name): overlap for read in reads}
        steps.append(Step(f"s{len(steps)}", reads, (name,), pairs, scratch))
        return name

    for _ in range(blocks):
        skip, size = x, sizes[x]
        wide = layer((x,), size * int(random.integers(1, 7)), Overlap(int(random.integers(0, size))), 1000)
        deep = layer((wide,), sizes[wide], Overlap(0, exact=True), int(random.integers(0, size)))
        kept = bool(random.integers(0, 3))
        narrow = layer((deep,), size if kept else int(random.integers(200, 2 * size)), Overlap(0), 300)
        x = layer((skip, narrow), size, Overlap(0, exact=True), 0) if kept else narrow
    return steps, sizes, ["x"], [x]
