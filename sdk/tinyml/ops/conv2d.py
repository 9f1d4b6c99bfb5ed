"""Convolution over [1, H, W, C] with weights [O, kh, kw, C] and bias [O]."""

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

PORTABLE = "conv2d_s8.h"


@operator("conv2d")
@dataclass(frozen=True)
class Conv2d:
    """`padding` is (top, bottom, left, right), filled with the input's zero point; `out` is the output's quantisation."""

    stride: tuple[int, int]
    padding: tuple[int, int, int, int]
    out: QuantParams
    act_min: int = -128
    act_max: int = 127
    dilation: tuple[int, int] = (1, 1)
    rounding: Rounding = "high"

    def window(self, x: TensorType, weights: TensorType) -> Window:
        return Window.of(x.shape, weights.shape[0], weights.shape[1:3], self.stride, self.padding, self.dilation)

    def infer(self, x: TensorType, weights: TensorType, bias: TensorType) -> tuple[TensorType, ...]:
        scaling.check_activation(x, "the input")
        scaling.check_output(self.out, self.act_min, self.act_max, self.rounding)
        if len(weights.shape) != 4 or weights.shape[3] != x.shape[-1]:
            raise GraphError(f"weights of shape {list(weights.shape)} do not fit an input of shape {list(x.shape)}")
        scaling.check_weights(weights, bias, 0, weights.shape[0])
        scaling.multipliers(x, weights, self.out, weights.shape[0], self.rounding)
        w = self.window(x, weights)
        return (TensorType((1, w.out_h, w.out_w, w.out_c), "int8", self.out),)

    def check_constants(self, types: tuple[TensorType, ...], weights: Const, bias: Const) -> None:
        if weights.data is not None and bias.data is not None:
            scaling.check_accumulators(weights.data.reshape(weights.type.shape[0], -1), bias.data)

    def reference(self, x: np.ndarray, weights: np.ndarray, bias: np.ndarray, *, types: tuple[TensorType, ...]) -> tuple:
        w = self.window(types[0], types[1])
        zero = types[0].quant.zero_point
        padded = w.padded(x, zero)
        patches = np.concatenate([tap for _, _, tap in w.taps(padded)], axis=-1)
        # Sums of int8 products below 2**31 are exact in float64, where numpy has a fast matrix product.
        kernel = weights.reshape(w.out_c, -1).T.astype(np.float64)
        acc = np.rint((patches.astype(np.float64) - zero) @ kernel).astype(np.int64) + bias
        scale = scaling.multipliers(types[0], types[1], self.out, w.out_c, self.rounding)
        return (scaling.finish(acc, scale, self.out, self.act_min, self.act_max, self.rounding),)

    def variants(self, isa: Isa, *x: TensorType) -> tuple[Variant, ...]:
        return (Variant(f"conv2d_s8_{self.rounding}", PORTABLE),)

    def cost(self, v: Variant, *x: TensorType) -> Cost:
        w = self.window(x[0], x[1])
        macs = w.out_pixels * w.out_c * w.kernel_h * w.kernel_w * w.in_c
        return Cost(macs, 8 * macs, 400, x[1].size_bytes + 12 * w.out_c, v.scratch_bytes)

    def overlap(self, v: Variant, *x: TensorType) -> tuple[Overlap | None, ...]:
        return (None,)

    def rows_needed(self, out_rows: Range, *x: TensorType) -> tuple[Range, ...]:
        return (self.window(x[0], x[1]).rows_needed(out_rows),)

    def pack(self, v: Variant, types: tuple[TensorType, ...], weights: Const, bias: Const) -> tuple[Packed, ...]:
        scale = scaling.multipliers(types[0], types[1], self.out, types[1].shape[0], self.rounding)
        return (
            Packed("weights", weights.data), Packed("bias", bias.data),
            Packed("multiplier", scale.multiplier), Packed("shift", scale.shift),
        )  # fmt: skip

    def kernel_c(self, v: Variant, w: CWriter, symbol: str) -> None:
        scaling.portable_kernel_c(w, symbol, "tm_conv2d_s8", self.rounding)

    def emit_c(self, v: Variant, w: CWriter, call: Call) -> None:
        window = self.window(*call.input_types[:2])
        output = scaling.output_initialiser(self.out, self.act_min, self.act_max)
        scaling.portable_layer_c(w, call, window, output)

    @classmethod
    def cases(cls) -> Iterable[Case]:
        return ()
