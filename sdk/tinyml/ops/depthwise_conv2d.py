"""Depthwise convolution over [1, H, W, C] with weights [1, kh, kw, C] and bias [C]."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from tinyml.board import Isa
from tinyml.ir.cwriter import CWriter
from tinyml.ir.op import Call, Case, Cost, GraphError, Overlap, Packed, Range, Variant, operator
from tinyml.ir.requantize import Rounding
from tinyml.ir.tensor import Const, QuantParams, TensorType
from tinyml.ops import scaling
from tinyml.ops.window import Window

PORTABLE = "depthwise_conv2d_s8.h"


@operator("depthwise_conv2d")
@dataclass(frozen=True)
class DepthwiseConv2d:
    """One filter per channel (multiplier 1). `padding` is (top, bottom, left, right), filled with the input's zero point."""

    stride: tuple[int, int]
    padding: tuple[int, int, int, int]
    out: QuantParams
    act_min: int = -128
    act_max: int = 127
    dilation: tuple[int, int] = (1, 1)
    rounding: Rounding = "high"

    def window(self, x: TensorType, weights: TensorType) -> Window:
        return Window.of(x.shape, x.shape[-1], weights.shape[1:3], self.stride, self.padding, self.dilation)

    def infer(self, x: TensorType, weights: TensorType, bias: TensorType) -> tuple[TensorType, ...]:
        scaling.check_activation(x, "the input")
        scaling.check_output(self.out, self.act_min, self.act_max, self.rounding)
        if len(weights.shape) != 4 or weights.shape[0] != 1 or weights.shape[3] != x.shape[-1]:
            raise GraphError(f"weights of shape {list(weights.shape)} do not fit an input of shape {list(x.shape)}")
        scaling.check_weights(weights, bias, 3, x.shape[-1])
        scaling.multipliers(x, weights, self.out, x.shape[-1], self.rounding)
        w = self.window(x, weights)
        return (TensorType((1, w.out_h, w.out_w, w.out_c), "int8", self.out),)

    def check_constants(self, types: tuple[TensorType, ...], weights: Const, bias: Const) -> None:
        if weights.data is not None and bias.data is not None:
            scaling.check_accumulators(weights.data.reshape(-1, weights.type.shape[3]).T, bias.data)

    def reference(self, x: np.ndarray, weights: np.ndarray, bias: np.ndarray, *, types: tuple[TensorType, ...]) -> tuple:
        w = self.window(types[0], types[1])
        zero = types[0].quant.zero_point
        acc = np.zeros((x.shape[0], w.out_h, w.out_w, w.out_c), np.int64) + bias
        for ky, kx, tap in w.shifted(w.padded(x, zero)):
            acc += (tap.astype(np.int32) - zero) * weights[0, ky, kx].astype(np.int32)
        scale = scaling.multipliers(types[0], types[1], self.out, w.out_c, self.rounding)
        return (scaling.finish(acc, scale, self.out, self.act_min, self.act_max, self.rounding),)

    def variants(self, isa: Isa, *x: TensorType) -> tuple[Variant, ...]:
        return (Variant(f"depthwise_conv2d_s8_{self.rounding}", PORTABLE),)

    def cost(self, v: Variant, *x: TensorType) -> Cost:
        w = self.window(x[0], x[1])
        macs = w.out_pixels * w.out_c * w.kernel_h * w.kernel_w
        return Cost(macs, 12 * macs, 400, x[1].size_bytes + 12 * w.out_c, v.scratch_bytes)

    def overlap(self, v: Variant, *x: TensorType) -> tuple[Overlap | None, ...]:
        return (None,)

    def rows_needed(self, out_rows: Range, *x: TensorType) -> tuple[Range, ...]:
        return (self.window(x[0], x[1]).rows_needed(out_rows),)

    def pack(self, v: Variant, types: tuple[TensorType, ...], weights: Const, bias: Const) -> tuple[Packed, ...]:
        scale = scaling.multipliers(types[0], types[1], self.out, types[1].shape[3], self.rounding)
        return (
            Packed("weights", weights.data), Packed("bias", bias.data),
            Packed("multiplier", scale.multiplier), Packed("shift", scale.shift),
        )  # fmt: skip

    def kernel_c(self, v: Variant, w: CWriter, symbol: str) -> None:
        scaling.portable_kernel_c(w, symbol, "tm_depthwise_conv2d_s8", self.rounding)

    def emit_c(self, v: Variant, w: CWriter, call: Call) -> None:
        output = scaling.output_initialiser(self.out, self.act_min, self.act_max)
        scaling.windowed_layer_c(w, call, self.window(*call.input_types[:2]), output)

    @classmethod
    def cases(cls) -> Iterable[Case]:
        return ()
