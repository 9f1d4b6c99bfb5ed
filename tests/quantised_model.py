"""Float networks under construction that become int8 .tflite files, with scales from calibration data.

The same layers are written twice. First in float, so that LiteRT says which range each tensor has on calibration
inputs; then in int8, as a converter would, with the oddities that converters and hand-made files show.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from tests.golden.tflite_models import Draw, ModelWriter
from tinyml.ir.tensor import QuantParams

NONE, RELU, RELU_N1_TO_1, RELU6 = range(4)
SAME, VALID = range(2)
_UNIT = QuantParams((1 / 256,), -128)
_SIGNED_UNIT = QuantParams((1 / 128,), 0)


@dataclass(frozen=True)
class Constant:
    """An operand that is known: int32 axes and sizes, or float data as weights, bias, no bias (zeros) or operand."""

    data: np.ndarray
    role: str = "plain"
    axis: int = 0
    per_channel: bool = True


@dataclass(frozen=True)
class Layer:
    name: str
    inputs: tuple[int | Constant, ...]
    outputs: tuple[int, ...]
    options: dict[str, object]


@dataclass
class Network:
    """Values are numbers; `shapes[v]` is a value's shape. Every draw comes from `draw`. A value of `tame` has no
    scale that is much finer than that of the value it is computed from."""

    draw: Draw
    shapes: list[tuple[int, ...]] = field(default_factory=list)
    layers: list[Layer] = field(default_factory=list)
    inputs: list[int] = field(default_factory=list)
    fixed: dict[int, QuantParams] = field(default_factory=dict)
    tied: dict[int, int] = field(default_factory=dict)
    tame: dict[int, int] = field(default_factory=dict)

    def value(self, shape: Sequence[int]) -> int:
        self.shapes.append(tuple(int(n) for n in shape))
        return len(self.shapes) - 1

    def input(self, *shape: int) -> int:
        """One of the network's inputs, whose range is drawn."""
        index = self.value((1, *shape))
        self.fixed[index] = QuantParams((self.draw.scale(0.01, 0.1),), self.draw.zero())
        self.inputs.append(index)
        return index

    def layer(self, name: str, inputs: Sequence[int | Constant], shape: Sequence[int], **options: object) -> int:
        out = self.value(shape)
        self.layers.append(Layer(name, tuple(inputs), (out,), options))
        return out

    def tie(self, *values: int) -> None:
        """Values that must have one scale and zero point. A fixed one gives it to the others."""
        roots = [self.root(v) for v in values]
        owner = next((r for r in roots if r in self.fixed), roots[0])
        for root in roots:
            if root != owner and root not in self.fixed:
                self.tied[root] = owner

    def root(self, value: int) -> int:
        while value in self.tied:
            value = self.tied[value]
        return value

    def bytes(self, outputs: Sequence[int], float_borders: bool = False) -> bytes:
        """The int8 file."""
        quant = self._quantise(self._ranges())
        writer, index = ModelWriter(), {}
        for value, shape in enumerate(self.shapes):
            q = quant[value]
            index[value] = writer.tensor(shape, "int8", q.scales, q.zero_point)
        inputs, last = [index[v] for v in self.inputs], [index[v] for v in outputs]
        if float_borders:
            inputs = [writer.tensor(self.shapes[v], "float32") for v in self.inputs]
            for outside, value in zip(inputs, self.inputs, strict=True):
                writer.operator("QUANTIZE", [outside], [index[value]], table="QuantizeOptions")
        for layer in self.layers:
            operands = self._operands(writer, layer, index, quant)
            writer.operator(layer.name, operands, [index[v] for v in layer.outputs], **{"version": 3} | layer.options)
        if float_borders:
            last = [writer.tensor(self.shapes[v], "float32") for v in outputs]
            for outside, value in zip(last, outputs, strict=True):
                writer.operator("DEQUANTIZE", [index[value]], [outside], table="DequantizeOptions")
        return writer.bytes(inputs, last)

    def _ranges(self) -> list[tuple[float, float]]:
        """(lowest, highest) of every value over calibration inputs, in float."""
        writer = ModelWriter()
        index = {v: writer.tensor(shape, "float32") for v, shape in enumerate(self.shapes)}
        for layer in self.layers:
            operands = [writer.tensor(x.data.shape, x.data.dtype.name, data=x.data)
                        if isinstance(x, Constant) else index[x] for x in layer.inputs]  # fmt: skip
            name, options = layer.name, layer.options
            if name == "QUANTIZE":  # from one scale to another: nothing, in float
                name, options = "RESHAPE", {}
                operands.append(writer.tensor((4,), "int32", data=np.int32(self.shapes[layer.inputs[0]])))
            writer.operator(name, operands, [index[v] for v in layer.outputs], **options)
        last = self.layers[-1].outputs
        model = writer.bytes([index[v] for v in self.inputs], [index[v] for v in last])
        runner = Interpreter(model_content=model, experimental_op_resolver_type=OpResolverType.BUILTIN_REF,
                             experimental_preserve_all_tensors=True)  # fmt: skip
        runner.allocate_tensors()
        found = [(np.inf, -np.inf)] * len(self.shapes)
        for _ in range(2):
            for value in self.inputs:
                q = self.fixed[value]
                data = (self.draw.bytes(*self.shapes[value]) - np.float32(q.zero_point)) * np.float32(q.scale)
                runner.set_tensor(index[value], data)
            runner.invoke()
            for value, (low, high) in enumerate(found):
                data = runner.get_tensor(index[value])
                found[value] = min(low, float(data.min())), max(high, float(data.max()))
        return found

    def _quantise(self, ranges: list[tuple[float, float]]) -> list[QuantParams]:
        groups: dict[int, tuple[float, float]] = {}
        for value, source in self.tame.items():
            low, high = ranges[value]
            ranges[value] = low, max(high, (ranges[source][1] - ranges[source][0]) / 50)
        for value, (low, high) in enumerate(ranges):
            a, b = groups.get(self.root(value), (low, high))
            groups[self.root(value)] = min(a, low), max(b, high)
        chosen = {root: self.fixed.get(root) or self._grid(*span, root in self.tame) for root, span in groups.items()}
        return [chosen[self.root(v)] for v in range(len(ranges))]

    def _grid(self, low: float, high: float, tame: bool = False) -> QuantParams:
        """Mostly as calibration gives it; now and then too wide, too narrow, symmetric or one-sided."""
        stretch = self.draw.one_of(*[1.0] * 14, 0.7, 1.5, 2.5, 0.4)
        if not tame and not self.draw.between(0, 60):
            stretch = self.draw.one_of(0.004, 0.03, 40.0)
        low, high = min(low, 0.0) * stretch, max(high, 0.0) * stretch
        way = 19 if tame else self.draw.between(0, 19)
        if way == 0 and low < 0:
            low, high = low, 0.0
        elif way <= 2:
            high = max(high, -low)
            low = -high
        scale = np.float32((high - low) / 255 if high - low > 1e-3 else 1.0)  # what is nearly always zero has any scale
        return QuantParams((float(scale),), int(np.clip(round(-128 - low / float(scale)), -128, 127)))

    def _operands(
        self, writer: ModelWriter, layer: Layer, index: dict[int, int], quant: list[QuantParams]
    ) -> list[int]:  # fmt: skip
        operands, scales = [], ()
        for x in layer.inputs:
            if not isinstance(x, Constant):
                operands.append(index[x])
            elif x.role == "no bias":
                operands += self.draw.one_of([-1], []) if layer.name == "FULLY_CONNECTED" else []
            elif x.role == "weights":
                data, scales = self._weights(x)
                operands.append(writer.tensor(data.shape, "int8", scales, 0, x.axis, data))
            elif x.role == "bias":
                real = np.float32(quant[layer.inputs[0]].scale) * np.float32(scales)
                data = np.rint(x.data / real.astype(np.float64)).clip(-(2**28), 2**28).astype(np.int32)
                operands.append(writer.tensor(data.shape, "int32", tuple(real), 0, 0, data))
            elif x.role == "operand":
                grid = self._grid(float(x.data.min()), float(x.data.max()))
                data = (np.rint(x.data / grid.scale) + grid.zero_point).clip(-128, 127).astype(np.int8)
                operands.append(writer.tensor(data.shape, "int8", grid.scales, grid.zero_point, 0, data))
            else:
                operands.append(writer.tensor(x.data.shape, x.data.dtype.name, data=x.data))
        return operands

    def _weights(self, x: Constant) -> tuple[np.ndarray, tuple[float, ...]]:
        """int8 weights and their scales, one for each slice along the axis or one for all."""
        others = tuple(a for a in range(x.data.ndim) if a != x.axis)
        largest = np.abs(x.data).max(axis=others if x.per_channel else None, keepdims=True)
        empty = self.draw.one_of(1.0, 2.0**-7, 2.0**-20)  # what is all zero may have any scale
        scale = np.where(largest > 0, largest / 127, empty).astype(np.float32)
        data = np.rint(x.data / scale).clip(-127, 127).astype(np.int8)
        if not self.draw.between(0, 3):
            data[data == -127] = -128
        return data, tuple(scale.ravel().tolist())

    # Layers as papers draw them.

    def weights(self, shape: Sequence[int], axis: int, must_bias: bool = False) -> tuple[Constant, Constant]:
        """He-like weights, some channels much larger than others, some zero; a bias, or none."""
        draw, channels = self.draw, shape[axis]
        taps = prod(shape) // channels
        data = draw.random.normal(0, (2 / taps) ** 0.5, shape)
        spread = np.exp(draw.random.normal(0, draw.one_of(0.1, 0.5, 1.0), channels))
        if not draw.between(0, 3):
            spread[draw.random.random(channels) < draw.one_of(0.1, 0.4)] = 0
        data *= spread.reshape([-1 if a == axis else 1 for a in range(len(shape))])
        weights = Constant(data.astype(np.float32), "weights", axis, bool(draw.between(0, 3)))
        if not must_bias and not draw.between(0, 4):
            return weights, Constant(np.zeros(channels, np.float32), "no bias")
        bias = draw.random.normal(0, 0.3, channels) * (draw.random.random(channels) < 0.9)
        return weights, Constant(bias.astype(np.float32), "bias")

    def activation(self) -> int:
        return self.draw.one_of(NONE, RELU, RELU, RELU6, RELU6, RELU_N1_TO_1)

    def conv(
        self, x: int, channels: int, kernel: tuple[int, int] = (1, 1), stride: tuple[int, int] = (1, 1),
        padding: int = SAME, dilation: tuple[int, int] = (1, 1), act: int = RELU, groups: int = 1,
    ) -> int:  # fmt: skip
        depth = self.shapes[x][3] // groups
        weights, bias = self.weights((channels, *kernel, depth), 0, must_bias=True)  # or LiteRT refuses it
        shape = (1, *self._windows(x, kernel, stride, padding, dilation), channels)
        return self.layer("CONV_2D", (x, weights, bias), shape, table="Conv2DOptions",
                          **_window_options(stride, padding, dilation, act))  # fmt: skip

    def depthwise(
        self, x: int, kernel: tuple[int, int] = (3, 3), stride: tuple[int, int] = (1, 1), padding: int = SAME,
        dilation: tuple[int, int] = (1, 1), act: int = RELU, multiplier: int = 1,
    ) -> int:  # fmt: skip
        channels = self.shapes[x][3] * multiplier
        weights, bias = self.weights((1, *kernel, channels), 3)
        shape = (1, *self._windows(x, kernel, stride, padding, dilation), channels)
        return self.layer("DEPTHWISE_CONV_2D", (x, weights, bias), shape, table="DepthwiseConv2DOptions",
                          depthMultiplier=multiplier, **_window_options(stride, padding, dilation, act))  # fmt: skip

    def dense(self, x: int, units: int, act: int = NONE, keep_rank: bool = False) -> int:
        shape = self.shapes[x]
        depth = shape[-1] if keep_rank else prod(shape)
        out = (*shape[:-1], units) if keep_rank else (1, units)
        weights, bias = self.weights((units, depth), 0)
        return self.layer("FULLY_CONNECTED", (x, weights, bias), out, table="FullyConnectedOptions", version=5,
                          keepNumDims=keep_rank, fusedActivationFunction=act)  # fmt: skip

    def pool(
        self, name: str, x: int, kernel: tuple[int, int], stride: tuple[int, int], padding: int = VALID, act: int = NONE
    ) -> int:  # fmt: skip
        """`name` is AVERAGE or MAX."""
        shape = (1, *self._windows(x, kernel, stride, padding, (1, 1)), self.shapes[x][3])
        out = self.layer(f"{name}_POOL_2D", (x,), shape, table="Pool2DOptions", filterHeight=kernel[0],
                         filterWidth=kernel[1], strideH=stride[0], strideW=stride[1], padding=padding,
                         fusedActivationFunction=act)  # fmt: skip
        self.tie(x, out)
        return out

    def mean(self, x: int, axes: tuple[int, ...] = (1, 2), keep: bool = False) -> int:
        shape = [1 if a in axes else n for a, n in enumerate(self.shapes[x]) if keep or a not in axes]
        return self.layer("MEAN", (x, Constant(np.int32(axes))), shape, table="ReducerOptions", keepDims=keep)

    def binary(self, name: str, x: int, y: int | Constant, act: int = NONE) -> int:
        """ADD, SUB or MUL; shapes are broadcast."""
        other = y.data.shape if isinstance(y, Constant) else self.shapes[y]
        table = f"{name.capitalize()}Options"
        shape = np.broadcast_shapes(self.shapes[x], other)
        return self.layer(name, (x, y), shape, version=2, table=table, fusedActivationFunction=act)

    def concat(self, *values: int, axis: int = 3) -> int:
        shape = list(self.shapes[values[0]])
        shape[axis] = sum(self.shapes[v][axis] for v in values)
        values = tuple(self.rescale(v) if self.root(v) in self.fixed else v for v in values)
        out = self.layer("CONCATENATION", values, shape, table="ConcatenationOptions", axis=axis)
        self.tie(*values, out)
        return out

    def split(self, x: int, parts: int, axis: int = 3) -> list[int]:
        shape = list(self.shapes[x])
        shape[axis] //= parts
        outs = tuple(self.value(shape) for _ in range(parts))
        options = {"table": "SplitOptions", "numSplits": parts, "version": 2}
        self.layers.append(Layer("SPLIT", (Constant(np.int32(axis)), x), outs, options))
        self.tie(x, *outs)
        return list(outs)

    def kept(self, name: str, x: int, shape: Sequence[int], *operands: np.ndarray, **options: object) -> int:
        """A layer that moves values about and keeps their scale: PAD, RESHAPE, TRANSPOSE, SLICE, RESIZE_..."""
        out = self.layer(name, (x, *(Constant(np.int32(o)) for o in operands)), shape, **options)
        self.tie(x, out)
        return out

    def pad(self, x: int, *sides: int) -> int:
        """`sides` are rows or columns at the top, bottom, left and right."""
        _, h, w, c = self.shapes[x]
        pairs = [(0, 0), sides[:2], sides[2:], (0, 0)]
        return self.kept("PAD", x, (1, h + sum(sides[:2]), w + sum(sides[2:]), c), pairs, table="PadOptions", version=2)

    def resize(self, x: int, height: int, width: int, bilinear: bool, corners: bool = False, half: bool = False) -> int:
        kind = ("RESIZE_BILINEAR", "ResizeBilinearOptions") if bilinear else (
            "RESIZE_NEAREST_NEIGHBOR", "ResizeNearestNeighborOptions")  # fmt: skip
        return self.kept(kind[0], x, (1, height, width, self.shapes[x][3]), (height, width), table=kind[1],
                         alignCorners=corners, halfPixelCenters=half)  # fmt: skip

    def flat(self, x: int) -> int:
        shape = (1, prod(self.shapes[x]))
        return self.kept("RESHAPE", x, shape, shape, version=1)

    def function(self, name: str, x: int, **options: object) -> int:
        """RELU, HARD_SWISH, LOGISTIC, TANH, LEAKY_RELU, ..."""
        version = 1 if name in ("HARD_SWISH", "RELU_N1_TO_1") else 2
        out = self.layer(name, (x,), self.shapes[x], **{"version": version} | options)
        if name in ("LOGISTIC", "TANH"):
            self.fixed[out] = _UNIT if name == "LOGISTIC" else _SIGNED_UNIT
        if name == "HARD_SWISH":
            self.tame[out] = x
        return out

    def rescale(self, x: int) -> int:
        return self.layer("QUANTIZE", (x,), self.shapes[x], version=2, table="QuantizeOptions")

    def softmax(self, x: int) -> int:
        out = self.layer("SOFTMAX", (x,), self.shapes[x], version=2, table="SoftmaxOptions", beta=1.0)
        self.fixed[out] = _UNIT
        return out

    def _windows(
        self, x: int, kernel: tuple[int, int], stride: tuple[int, int], padding: int, dilation: tuple[int, int]
    ) -> list[int]:  # fmt: skip
        sizes = []
        for n, k, s, d in zip(self.shapes[x][1:3], kernel, stride, dilation, strict=True):
            sizes.append(-(-n // s) if padding == SAME else (n - (k - 1) * d - 1) // s + 1)
        assert min(sizes) > 0, (self.shapes[x], kernel)
        return sizes


def _window_options(stride: tuple[int, int], padding: int, dilation: tuple[int, int], act: int) -> dict[str, int]:
    return {"strideH": stride[0], "strideW": stride[1], "padding": padding, "dilationHFactor": dilation[0],
            "dilationWFactor": dilation[1], "fusedActivationFunction": act}  # fmt: skip
