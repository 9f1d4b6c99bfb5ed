"""Quantisation shared by the multiply-accumulate operators: checks, multipliers, folded bias, final clamp."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tinyml.ir.cwriter import CWriter
from tinyml.ir.op import Call, GraphError
from tinyml.ir.requantize import Rounding, quantize_multiplier, requantize
from tinyml.ir.tensor import QuantParams, TensorType
from tinyml.ops.window import Window

ROUNDINGS = {"high": "TM_ROUND_HIGH", "double": "TM_ROUND_DOUBLE", "single": "TM_ROUND_SINGLE"}


@dataclass(frozen=True)
class Multipliers:
    """One multiplier and left shift per output channel, int32 arrays."""

    multiplier: np.ndarray
    shift: np.ndarray


def multipliers(x: TensorType, weights: TensorType, out: QuantParams, channels: int, rounding: Rounding) -> Multipliers:
    """Requantisation constants for `channels` outputs; the real scale is computed in float64 from float32 scales."""
    scales = weights.quant.scales if len(weights.quant.scales) > 1 else weights.quant.scales * channels
    x_scale, out_scale = x.quant.scale, out.scale
    try:
        pairs = [quantize_multiplier(x_scale * s / out_scale, rounding) for s in scales]
    except ValueError as error:
        raise GraphError(str(error), hint="the scales of input, weights and output do not belong together") from error
    return Multipliers(np.array([m for m, _ in pairs], np.int32), np.array([s for _, s in pairs], np.int32))


def finish(
    acc: np.ndarray, scale: Multipliers, out: QuantParams, low: int, high: int, rounding: Rounding
) -> np.ndarray:
    """int64 accumulators [..., channels] to int8."""
    result = requantize(acc, scale.multiplier, scale.shift, rounding) + out.zero_point
    return np.clip(result, low, high).astype(np.int8)


def check_activation(kind: TensorType, what: str) -> None:
    """Raises: GraphError unless `kind` is an int8 tensor with one scale and an int8 zero point."""
    quant = kind.quant
    if kind.dtype != "int8" or quant is None or len(quant.scales) != 1 or quant.axis is not None:
        raise GraphError(f"{what} must be int8 with one scale, not {kind}")
    if not -128 <= quant.zero_point <= 127:
        raise GraphError(f"{what} has zero point {quant.zero_point}, outside int8")


def check_weights(weights: TensorType, bias: TensorType, axis: int, channels: int) -> None:
    """Raises: GraphError unless weights are symmetric int8 (per tensor or per `axis`) and bias is int32[channels]."""
    quant = weights.quant
    if weights.dtype != "int8" or quant is None or quant.zero_point != 0:
        raise GraphError("weights must be int8 with zero point 0")
    if len(quant.scales) not in (1, channels) or (len(quant.scales) > 1 and quant.axis != axis):
        found = f"{len(quant.scales)} scales on axis {quant.axis}"
        raise GraphError(f"weights have {found}; expected 1, or {channels} on axis {axis}")
    if bias.dtype != "int32" or bias.shape != (channels,):
        raise GraphError(f"bias is {bias.dtype}{list(bias.shape)}, expected int32[{channels}]")


def check_output(out: QuantParams, low: int, high: int, rounding: str) -> None:
    """Raises: GraphError for an output that is not int8 per tensor, an empty clamp or an unknown rounding."""
    check_activation(TensorType((1,), "int8", out), "the output")
    if not -128 <= low <= high <= 127:
        raise GraphError(f"the activation range [{low}, {high}] is empty or outside int8")
    if rounding not in ROUNDINGS:
        raise GraphError(f"rounding `{rounding}` is not one of {', '.join(ROUNDINGS)}")


def check_accumulators(weights: np.ndarray, bias: np.ndarray) -> None:
    """`weights` [channels, taps]. Raises: GraphError when an int32 accumulator could overflow for some input."""
    worst = np.abs(weights.astype(np.int64)).sum(axis=1) * 256 + np.abs(bias.astype(np.int64))
    if worst.size and int(worst.max()) >= 2**31:
        channel = int(worst.argmax())
        raise GraphError(f"the accumulator of output channel {channel} can overflow 32 bits",
                         hint="the bias is out of proportion to the weights: check the scales")  # fmt: skip


def output_initialiser(out: QuantParams, low: int, high: int) -> str:
    """C initialiser of `tm_output`."""
    return f"{{{out.zero_point}, {low}, {high}}}"


def portable_kernel_c(w: CWriter, symbol: str, kernel: str, rounding: Rounding) -> None:
    """The shared function of the portable convolutions: the header's kernel with the rounding fixed."""
    w.line(f"static TM_SEPARATE void {symbol}(const int8_t *x, int8_t *y, const tm_window *w,")
    w.line("    const tm_output *out, int32_t in_zero_point, const int8_t *weights, const int32_t *bias,")
    with w.block("    const int32_t *multiplier, const int32_t *shift)"):
        w.line(f"{kernel}(x, y, w, out, in_zero_point, weights, bias, multiplier, shift, {ROUNDINGS[rounding]});")


def windowed_layer_c(w: CWriter, call: Call, window: Window, output: str, more: tuple[str, ...] = ()) -> None:
    """The body of a layer that calls a convolution's shared function: constants in the order of `pack`, then `more`."""
    w.line(f"static const tm_window window = {window.c_initialiser};")
    w.line(f"static const tm_output output = {output};")
    zero_point = call.input_types[0].quant.zero_point
    w.line(f"{call.kernel}({call.inputs[0]}, {call.outputs[0]}, &window, &output, {zero_point},")
    w.line(f"    {', '.join([*call.consts, *more])});")
