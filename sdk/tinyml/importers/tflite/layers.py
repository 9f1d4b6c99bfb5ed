"""CONV_2D, DEPTHWISE_CONV_2D and FULLY_CONNECTED."""

from __future__ import annotations

from math import prod

import numpy as np

from tinyml.importers.tflite import schema
from tinyml.importers.tflite.registry import converts
from tinyml.importers.tflite.site import Site
from tinyml.importers.tflite.window import WindowOptions, read_window
from tinyml.ir.requantize import single_exact_below
from tinyml.ir.tensor import Const, QuantParams
from tinyml.ops import Concat, Conv2d, DepthwiseConv2d, FullyConnected, Reshape, Slice

_MOST_GROUPS = 256
_MOST_OUTPUTS = 2**15
_MOST_DENSE_BYTES = 2**22


def _weights(site: Site, axes: int) -> tuple[np.ndarray, QuantParams]:
    tensor = site.tensor(1)
    data = site.constant(1, ("int8",))
    if tensor.quant is None:
        raise site.error(f"its weights, {tensor.label}, have no quantisation", "quantise the model to int8")
    if data.ndim != axes:
        raise site.error(f"its weights are {tensor.kind}; expected {axes} axes")
    return data, tensor.quant


def _bias(site: Site, channels: int) -> np.ndarray:
    """int32[channels]: a bias that is left out is zero."""
    if not site.has_input(2):
        return np.zeros(channels, np.int32)
    data = site.constant(2, ("int32",))
    if data.shape != (channels,):
        raise site.error(f"its bias is {site.tensor(2).kind}; expected int32[{channels}]")
    return data


def _constants(site: Site, weights: np.ndarray, quant: QuantParams, bias: np.ndarray) -> tuple[str, str]:
    stem = site.output().name.split(";")[0]
    return site.const(f"{stem}_weights", Const.of(weights, quant)), site.const(f"{stem}_bias", Const.of(bias))


def _clamp(site: Site, field: schema.IntEnum) -> tuple[int, int]:
    return site.activation_range(site.choice(field, schema.ACTIVATIONS))


@converts("CONV_2D", newest=8, options=schema.Options.conv2d)
def conv2d(site: Site) -> None:
    site.expect((2, 3))
    o = schema.Conv2D
    weights, quant = _weights(site, 4)
    fields = WindowOptions(o.padding, o.stride_h, o.stride_w, o.dilation_h, o.dilation_w)
    window = read_window(site, fields, weights.shape[1:3])
    op = Conv2d(window.stride, window.padding, site.quant(), *_clamp(site, o.activation), window.dilation, "double")
    bias = _bias(site, weights.shape[0])
    if weights.shape[3] == site.tensor(0).shape[3]:
        site.emit(op, site.activation(), *_constants(site, weights, quant, bias))
    else:
        _grouped(site, op, weights, quant, bias)


def _grouped(site: Site, op: Conv2d, weights: np.ndarray, quant: QuantParams, bias: np.ndarray) -> None:
    """Weights [O, kh, kw, C / groups]: each group of channels is convolved by itself, and the results are joined."""
    outputs, depth = weights.shape[0], weights.shape[3]
    shape, x = site.tensor(0).shape, site.activation()
    groups = shape[3] // depth
    if shape[3] % depth or not 0 < groups <= _MOST_GROUPS or outputs % groups:
        raise site.error(f"{outputs} filters over {depth} channels do not divide an input of {shape[3]} channels")
    if quant.axis not in (None, 0):
        raise site.error(f"its weights have scales along axis {quant.axis}; expected axis 0")
    size, parts = outputs // groups, []
    for group in range(groups):
        own = slice(group * size, (group + 1) * size)
        scales = quant.scales if quant.axis is None else quant.scales[own]
        own_quant = QuantParams(scales, quant.zero_point, None if len(scales) == 1 else 0)
        part = site.step(f"in{group}", Slice((0, 0, 0, group * depth), (*shape[:3], depth), (1, 1, 1, 1)), x)
        constants = _constants(site, weights[own], own_quant, bias[own])
        parts.append(site.step(f"group{group}", op, part, *constants))
    site.emit(Concat(3), *parts)


@converts("DEPTHWISE_CONV_2D", newest=7, options=schema.Options.depthwise_conv2d)
def depthwise_conv2d(site: Site) -> None:
    site.expect((2, 3))
    o = schema.DepthwiseConv2D
    weights, quant = _weights(site, 4)
    fields = WindowOptions(o.padding, o.stride_h, o.stride_w, o.dilation_h, o.dilation_w)
    window = read_window(site, fields, weights.shape[1:3])
    outputs, channels = weights.shape[3], site.tensor(0).shape[3]
    if weights.shape[0] != 1 or outputs % channels:
        raise site.error(f"weights {list(weights.shape)} do not fit an input of {channels} channels")
    bias = _bias(site, outputs)
    attributes = (window.stride, window.padding, site.quant(), *_clamp(site, o.activation), window.dilation, "double")
    if outputs == channels:
        op = DepthwiseConv2d(*attributes)
    else:
        op = Conv2d(*attributes)
        weights, quant = _multiplied(site, weights, quant, channels)
    site.emit(op, site.activation(), *_constants(site, weights, quant, bias))


def _multiplied(
    site: Site, weights: np.ndarray, quant: QuantParams, channels: int
) -> tuple[np.ndarray, QuantParams]:
    """Depthwise weights [1, kh, kw, C * multiplier] as [C * multiplier, kh, kw, C], zero off each filter's channel."""
    outputs = weights.shape[3]
    if weights.size * channels > _MOST_DENSE_BYTES:
        raise site.error(f"a depth multiplier of {outputs // channels} over {channels} channels is too large",
                         "at most 4 MB of weights can be made of it")  # fmt: skip
    if quant.axis not in (None, 3):
        raise site.error(f"its weights have scales along axis {quant.axis}; expected axis 3")
    dense = np.zeros((outputs, *weights.shape[1:3], channels), np.int8)
    for output in range(outputs):
        dense[output, :, :, output // (outputs // channels)] = weights[0, :, :, output]
    return dense, QuantParams(quant.scales, quant.zero_point, None if quant.axis is None else 0)


@converts("FULLY_CONNECTED", newest=14, options=schema.Options.fully_connected)
def fully_connected(site: Site) -> None:
    site.expect((2, 3))
    o = schema.FullyConnected
    if site.option(o.weights_format, "int8") != 0:
        raise site.error("its weights are shuffled, which is not supported", "export weights in the default format")
    weights, quant = _weights(site, 2)
    outputs, depth = weights.shape
    if outputs > _MOST_OUTPUTS:
        raise site.error(f"{outputs:,} outputs are too many; at most {_MOST_OUTPUTS:,} are supported")
    x, elements = site.activation(), prod(site.tensor(0).shape)
    if elements % depth:
        raise site.error(f"weights {list(weights.shape)} do not fit an input of {elements} elements")
    clamp = _clamp(site, o.activation)
    bias = _bias(site, outputs)
    _check_bias_scale(site, quant)
    bias = _settled(site, weights, quant, bias)
    _check_range(site, weights, quant, bias)
    rows = elements // depth
    if rows == 1:
        x = x if site.type(x).shape == (1, depth) else site.step("flat", Reshape((1, depth)), x)
        op = FullyConnected(site.quant(), *clamp, "single")
    else:  # one row after another is a 1x1 convolution
        x = site.step("rows", Reshape((1, rows, 1, depth)), x)
        op = Conv2d((1, 1), (0, 0, 0, 0), site.quant(), *clamp, (1, 1), "single")
        weights = weights.reshape(outputs, 1, 1, depth)
    site.emit_reshaped(op, x, *_constants(site, weights, quant, bias))


def _check_bias_scale(site: Site, weights: QuantParams) -> None:
    """LiteRT refuses such models. Source: LiteRT kernel_util.cc GetQuantizedConvolutionMultipler."""
    if not site.has_input(2) or len(weights.scales) > 1 or site.tensor(2).quant is None:
        return
    bias, product = site.tensor(2).quant, site.tensor(0).quant.scale * weights.scale
    if abs(product - bias.scales[0]) / site.quant().scale > 0.02:
        raise site.error(f"its bias has scale {bias.scales[0]:.6g}, but input times weights give {product:.6g}",
                         "the file is damaged, or its converter defective")  # fmt: skip


def _settled(site: Site, weights: np.ndarray, quant: QuantParams, bias: np.ndarray) -> np.ndarray:
    """The bias of outputs without weights, which training leaves with tiny scales, moved to the middle of the sums that
    give the same output: there any rounding agrees with LiteRT's float64."""
    real = site.tensor(0).quant.scale * np.array(quant.scales) / site.quant().scale * np.ones(len(bias))
    exact = bias * real
    value = np.clip(np.sign(exact) * np.floor(np.abs(exact) + 0.5), -256, 256)  # further ones saturate alike
    middle = np.clip(np.rint(value / np.maximum(real, 2.0**-40)), -(2**31) + 1, 2**31 - 1).astype(np.int32)
    return np.where(weights.any(axis=1) | (real >= 0.5), bias, middle)


def _check_range(site: Site, weights: np.ndarray, quant: QuantParams, bias: np.ndarray) -> None:
    """Raises: ModelError when some accumulator could be too large for LiteRT's float64 rounding in integers."""
    x, out = site.tensor(0).quant, site.quant()
    furthest = max(127 - x.zero_point, 128 + x.zero_point)
    largest = np.abs(weights.astype(np.int64)).sum(axis=1) * furthest + np.abs(bias.astype(np.int64))
    largest *= weights.any(axis=1)  # what is constant has been settled
    scales = quant.scales if len(quant.scales) > 1 else quant.scales * len(bias)
    for channel, (bound, scale) in enumerate(zip(largest.tolist(), scales, strict=True)):
        real = x.scale * scale / out.scale
        if real < 2**16 and bound >= single_exact_below(real):  # larger ones are refused by the operator
            raise site.error(f"the accumulator of output {channel} can reach {bound:,}, too large to round exactly",
                             "the scales of input, weights and output do not belong together")  # fmt: skip
