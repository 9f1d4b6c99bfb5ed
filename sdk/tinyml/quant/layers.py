"""Layers whose forward pass computes the integers that the engine computes, with straight-through gradients.

Each has two passes: `real`, the float layer with batch norm folded in, used to observe ranges; and `forward` on
`Quantized` activations. Convolutions multiply integer values held in floats, which is exact below 2**24 (float32)
or 2**53 (float64), whatever the order of summation.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional

from tinyml.ir.tensor import QuantParams, TensorType
from tinyml.models.trace import Layer
from tinyml.ops import Add
from tinyml.quant.arithmetic import quantize_multiplier, requantize, rounded_mean
from tinyml.quant.fold import folded
from tinyml.quant.observe import affine, best_range, sample

_LARGEST_BIAS = 2.0**27


class Quantized(NamedTuple):
    """An activation: `steps` = q - zero_point as float integers [B, ...]; real value = steps * scale."""

    steps: torch.Tensor
    scale: float
    zero_point: int

    @property
    def real(self) -> torch.Tensor:
        return self.steps * self.scale


class Integers(NamedTuple):
    """What a multiply-accumulate layer is lowered to. Weights keep torch's axis order; scales are float64 [O]."""

    weights: torch.Tensor
    weight_scales: torch.Tensor
    bias: torch.Tensor


class Output(NamedTuple):
    """Scale, zero point and clamp (in q) of a layer's output."""

    scale: float
    zero_point: int
    act_min: int
    act_max: int


class _StraightThrough(torch.autograd.Function):
    @staticmethod
    def forward(ctx: object, exact: torch.Tensor, smooth: torch.Tensor) -> torch.Tensor:
        return exact.to(smooth.dtype)

    @staticmethod
    def backward(ctx: object, gradient: torch.Tensor) -> tuple[None, torch.Tensor]:
        return None, gradient


def straight_through(exact: torch.Tensor, smooth: torch.Tensor) -> torch.Tensor:
    """Exactly the value of `exact` (in the dtype of `smooth`), with the gradient of `smooth`."""
    return _StraightThrough.apply(exact.detach(), smooth)


class Ranged(nn.Module):
    """A layer with an output range of its own, observed once on real values."""

    def __init__(self, clamp: tuple[float, float] | None) -> None:
        super().__init__()
        self.clamp = clamp
        self.observing: list[torch.Tensor] | None = None
        self.register_buffer("range", torch.tensor([0.0, 1.0], dtype=torch.float64))

    def observed(self, values: torch.Tensor) -> torch.Tensor:
        """Apply the activation to real values; remember a sample of them while observing."""
        if self.clamp is not None:
            values = values.clamp(*self.clamp)
        if self.observing is not None:
            self.observing.append(sample(values))
        return values

    def settle(self) -> None:
        """Fix the output range from what was observed."""
        self.range.copy_(torch.tensor(best_range(sample(torch.cat(self.observing))), dtype=torch.float64))
        self.observing = None

    def output(self, finest: float = 0.0) -> Output:
        """Output quantisation; `finest` is the largest accumulator step: a finer output step would be empty."""
        scale, zero = affine(*self.range.tolist())
        if scale < finest:
            low, high = self.range.tolist()
            stretch = finest * 255 / (high - low)
            scale, zero = affine(low * stretch, high * stretch)
        low, high = -128, 127
        if self.clamp is not None:
            low = max(low, round(self.clamp[0] / scale) + zero)
            high = min(high, round(min(self.clamp[1], 512 * scale) / scale) + zero)
        return Output(scale, zero, low, high)


class MultiplyAccumulate(Ranged):
    """A Conv2d (depthwise too) or Linear with its batch norm folded in."""

    def __init__(self, layer: Layer) -> None:
        super().__init__(layer.clamp)
        weight, bias = folded(layer)
        self.weight, self.bias = nn.Parameter(weight), nn.Parameter(bias)
        self.source = {"conv": _conv_geometry, "linear": lambda _: None}[layer.kind](layer.module)

    def _apply_weights(self, x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        if self.source is None:
            return functional.linear(x, weight)
        padding, stride, dilation, groups = self.source
        return functional.conv2d(functional.pad(x, padding), weight, None, stride, 0, dilation, groups)

    def _per_channel(self, values: torch.Tensor) -> torch.Tensor:
        return values if self.source is None else values[:, None, None]

    def real(self, x: torch.Tensor) -> torch.Tensor:
        return self.observed(self._apply_weights(x, self.weight) + self._per_channel(self.bias))

    def scales(self, in_scale: float) -> torch.Tensor:
        """Weight scales, float64 [O], each exactly a float32; large enough for the bias to fit comfortably."""
        weight, bias = self.weight.detach(), self.bias.detach()
        largest = weight.abs().flatten(1).amax(dim=1) / 127
        floor = torch.maximum(bias.abs() / (in_scale * _LARGEST_BIAS), torch.tensor(1e-12))
        return torch.maximum(largest, floor).to(torch.float32).double()

    def integers(self, in_scale: float) -> Integers:
        """int8 weights and int32 bias for an input of that scale."""
        scales = self.scales(in_scale)
        weights, bias = self._steps(scales, in_scale)
        return Integers(weights.round().clamp(-127, 127).to(torch.int8), scales, bias.round().to(torch.int32))

    def _steps(self, scales: torch.Tensor, in_scale: float) -> tuple[torch.Tensor, torch.Tensor]:
        """Weights and bias in steps, not rounded, differentiable, float64."""
        shape = (-1,) + (1,) * (self.weight.ndim - 1)
        return self.weight.double() / scales.view(shape), self.bias.double() / (scales * in_scale)

    def forward(self, x: Quantized) -> Quantized:
        scales = self.scales(x.scale)
        weights, bias = self._steps(scales, x.scale)
        exact_weights, exact_bias = weights.detach().round().clamp(-127, 127), bias.detach().round()
        wide = self.weight[0].numel() * 127 * 255 >= 2**24
        dtype = torch.float64 if wide else torch.float32
        acc = self._apply_weights(x.steps.to(dtype), straight_through(exact_weights, weights).to(dtype))
        out = self.output(float((scales * x.scale).max()))
        real = x.scale * scales / out.scale
        multiplier, shift = (self._per_channel(v) for v in quantize_multiplier(real))
        with torch.no_grad():
            total = acc.to(torch.int64) + self._per_channel(exact_bias.to(torch.int64))
            q = (requantize(total, multiplier, shift) + out.zero_point).clamp(out.act_min, out.act_max)
        smooth = (acc + self._per_channel(bias.to(dtype))) * self._per_channel(real.to(dtype))
        smooth = smooth.clamp(out.act_min - out.zero_point, out.act_max - out.zero_point).to(torch.float32)
        return Quantized(straight_through(q - out.zero_point, smooth), out.scale, out.zero_point)


class Addition(Ranged):
    """a + b with an activation."""

    def __init__(self, layer: Layer) -> None:
        super().__init__(layer.clamp)

    def real(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return self.observed(a + b)

    def operator(self) -> Add:
        out = self.output()
        return Add(QuantParams((out.scale,), out.zero_point), out.act_min, out.act_max)

    def forward(self, a: Quantized, b: Quantized) -> Quantized:
        op = self.operator()
        types = (TensorType((1,), "int8", QuantParams((v.scale,), v.zero_point)) for v in (a, b))
        first, second, shift = op.scales(*types)
        zero = op.out.zero_point
        with torch.no_grad():
            total = a.steps.to(torch.int64) * first + b.steps.to(torch.int64) * second
            q = (((total + (1 << (shift - 1))) >> shift) + zero).clamp(op.act_min, op.act_max)
        smooth = ((a.real + b.real) / op.out.scale).clamp(op.act_min - zero, op.act_max - zero)
        return Quantized(straight_through(q - zero, smooth), op.out.scale, zero)


class Pool(nn.Module):
    """Average over windows (`kernel`, `stride`), or over the whole map when `kernel` is None."""

    def __init__(self, layer: Layer) -> None:
        super().__init__()
        self.keep_axes = len(layer.shape) == 3
        pool = layer.module
        self.kernel, self.stride = (None, None) if pool is None else (pair(pool.kernel_size), pair(pool.stride))

    def real(self, x: torch.Tensor) -> torch.Tensor:
        if self.kernel is None:
            return x.mean((2, 3), keepdim=self.keep_axes)
        return functional.avg_pool2d(x, self.kernel, self.stride)

    def forward(self, x: Quantized) -> Quantized:
        smooth = self.real(x.steps)
        height, width = self.kernel or x.steps.shape[2:]
        with torch.no_grad():
            exact = x.steps.detach()
            if self.kernel is None:
                total = exact.sum((2, 3), keepdim=self.keep_axes, dtype=torch.float64)
            else:
                total = functional.avg_pool2d(exact.double(), self.kernel, self.stride, divisor_override=1)
            count = height * width
            q = rounded_mean(total.to(torch.int64) + x.zero_point * count, count)
        return Quantized(straight_through(q - x.zero_point, smooth), x.scale, x.zero_point)


class Flatten(nn.Module):
    """[B, C, H, W] to [B, C*H*W] in torch's order."""

    def __init__(self, layer: Layer) -> None:
        super().__init__()

    def real(self, x: torch.Tensor) -> torch.Tensor:
        return x.flatten(1)

    def forward(self, x: Quantized) -> Quantized:
        return x._replace(steps=x.steps.flatten(1))


KINDS = {"conv": MultiplyAccumulate, "linear": MultiplyAccumulate, "add": Addition, "average_pool": Pool, "mean": Pool,
         "flatten": Flatten}  # fmt: skip


def pair(value: int | tuple[int, ...]) -> tuple[int, int]:
    """torch's int-or-tuple options as a tuple."""
    return (value, value) if isinstance(value, int) else (int(value[0]), int(value[1]))


def _conv_geometry(conv: nn.Conv2d) -> tuple[tuple[int, int, int, int], tuple[int, int], tuple[int, int], int]:
    """Padding (left, right, top, bottom) as `functional.pad` takes it, stride, dilation, groups."""
    kernel, dilation = pair(conv.kernel_size), pair(conv.dilation)
    if conv.padding == "same":
        total = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
        (top, bottom), (left, right) = ((t // 2, t - t // 2) for t in total)
    else:
        top, left = (0, 0) if conv.padding == "valid" else pair(conv.padding)
        bottom, right = top, left
    return (left, right, top, bottom), pair(conv.stride), dilation, conv.groups
