"""Fully connected layer: x [1, K], weights [O, K], bias [O]."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from tinyml.board import Isa
from tinyml.ir.cwriter import CWriter
from tinyml.ir.op import Call, Case, Cost, GraphError, Overlap, Packed, Range, Variant, operator
from tinyml.ir.requantize import Rounding
from tinyml.ir.requantize_scaled import needs_negative_fix
from tinyml.ir.tensor import Const, QuantParams, TensorType
from tinyml.ops import golden, scaling
from tinyml.ops import timing_convolutions as timing
from tinyml.ops.gemm_packing import (
    StreamConstants,
    gemm_stream,
    gemm_stream_bytes,
    packed_scale,
    scalable,
    stream_constants,
)  # fmt: skip
from tinyml.ops.kernel_endings import kernel_endings
from tinyml.ops.timing import Work

Types = tuple[TensorType, ...]
PORTABLE = "fully_connected_s8.h"
DSP = "fully_connected_s8_dsp.h"


@operator("fully_connected")
@dataclass(frozen=True)
class FullyConnected:
    """y = weights @ x + bias, requantised to `out`; weights have one scale, or one per output."""

    out: QuantParams
    act_min: int = -128
    act_max: int = 127
    rounding: Rounding = "high"

    def infer(self, x: TensorType, weights: TensorType, bias: TensorType) -> tuple[TensorType, ...]:
        scaling.check_activation(x, "the input")
        scaling.check_output(self.out, self.act_min, self.act_max, self.rounding)
        if len(x.shape) != 2 or x.shape[0] != 1 or len(weights.shape) != 2 or weights.shape[1] != x.shape[1]:
            raise GraphError(f"weights of shape {list(weights.shape)} do not fit an input of shape {list(x.shape)}")
        scaling.check_weights(weights, bias, 0, weights.shape[0])
        scaling.multipliers(x, weights, self.out, weights.shape[0], self.rounding)
        return (TensorType((1, weights.shape[0]), "int8", self.out),)

    def check_constants(self, types: Types, weights: Const, bias: Const) -> None:
        if weights.data is not None and bias.data is not None:
            scaling.check_accumulators(weights.data, bias.data)

    def reference(self, x: np.ndarray, weights: np.ndarray, bias: np.ndarray, *, types: Types) -> tuple:
        # Sums of int8 products below 2**31 are exact in float64, where numpy has a fast matrix product.
        product = (x.astype(np.float64) - types[0].quant.zero_point) @ weights.T.astype(np.float64)
        acc = np.rint(product).astype(np.int64) + bias
        scale = scaling.multipliers(types[0], types[1], self.out, weights.shape[0], self.rounding)
        return (scaling.finish(acc, scale, self.out, self.act_min, self.act_max, self.rounding),)

    def variants(self, isa: Isa, *x: TensorType) -> tuple[Variant, ...]:
        portable = Variant(f"fully_connected_s8_{self.rounding}", PORTABLE)
        scale = scaling.multipliers(x[0], x[1], self.out, x[1].shape[0], self.rounding)
        if not isa.dsp or not scalable(scale, self.rounding, self.out.zero_point) or max(x[1].shape) > 2**15 - 1:
            return (portable,)
        signed = needs_negative_fix(self.rounding, scale.shift, self.act_min, self.out.zero_point)
        endings = kernel_endings(self.rounding, signed, (self.act_min, self.act_max) != (-128, 127))
        tensor = len(x[1].quant.scales) == 1 and not signed
        names = [f"{scales}{short}{end}" for scales in ("_tensor",) * tensor + ("",) for short in ("", "_short")
                 for end in endings if not (scales and "signed" in end)]  # fmt: skip
        return (*(Variant(f"fully_connected_s8_dsp{name}", DSP) for name in names), portable)

    def _constants(self, types: Types, weights: Const, bias: Const) -> StreamConstants | None:
        scale = scaling.multipliers(types[0], types[1], self.out, types[1].shape[0], self.rounding)
        zero_point = types[0].quant.zero_point
        return stream_constants(weights.data, bias, zero_point, scale, self.rounding, self.out.zero_point)

    def admits(self, v: Variant, types: Types, weights: Const, bias: Const) -> bool:
        """Whether the variant holds these very weights: the SIMD kernel's sums are 256 times larger."""
        return v.kernel_file == PORTABLE or self._constants(types, weights, bias) is not None

    def cost(self, v: Variant, *x: TensorType) -> Cost:
        outputs, inputs = x[1].shape
        stream_bytes = gemm_stream_bytes(outputs, inputs, 4, scales="tensor" not in v.name)
        weights = x[1].size_bytes + 12 * outputs if v.kernel_file == PORTABLE else stream_bytes
        return Cost(x[1].elements, self.work(v, *x).cycles, weights, 0)

    def work(self, v: Variant, *x: TensorType) -> Work:
        outputs, inputs = x[1].shape
        if v.kernel_file == PORTABLE:
            return timing.fully_connected(v.name, inputs, outputs)
        return timing.quads("fully_connected_s8_dsp", inputs, outputs, 1, 1, v.name)

    def overlap(self, v: Variant, *x: TensorType) -> tuple[Overlap | None, ...]:
        return (None,)

    def rows_needed(self, out_rows: Range, *x: TensorType) -> tuple[Range, ...]:
        return (Range(0, x[0].shape[0]),)

    def pack(self, v: Variant, types: Types, weights: Const, bias: Const) -> tuple[Packed, ...]:
        if v.kernel_file == DSP:
            constants = self._constants(types, weights, bias)
            return (Packed("stream", gemm_stream(weights.data, constants, 4, scales="tensor" not in v.name)),)
        scale = scaling.multipliers(types[0], types[1], self.out, types[1].shape[0], self.rounding)
        return (
            Packed("weights", weights.data), Packed("bias", bias.data),
            Packed("multiplier", scale.multiplier), Packed("shift", scale.shift),
        )  # fmt: skip

    def kernel_c(self, v: Variant, w: CWriter, symbol: str) -> None:
        if v.kernel_file == DSP:
            flags = ", ".join(str(int(word in v.name)) for word in ("tensor", "short", "signed", "clamped"))
            with w.block(f"static TM_SEPARATE void {symbol}(const tm_fully_connected *p, const int8_t *x, int8_t *y)"):
                w.line(f"tm_fully_connected_s8_dsp(p, x, y, {flags});")
            return
        w.line(f"static TM_SEPARATE void {symbol}(const int8_t *x, int8_t *y, int32_t inputs, int32_t outputs,")
        w.line("    const tm_output *out, int32_t in_zero_point, const int8_t *weights, const int32_t *bias,")
        with w.block("    const int32_t *multiplier, const int32_t *shift)"):
            w.line("tm_fully_connected_s8(x, y, inputs, outputs, out, in_zero_point, weights, bias, multiplier, shift,")
            w.line(f"                      {scaling.ROUNDINGS[self.rounding]});")

    def emit_c(self, v: Variant, w: CWriter, call: Call) -> None:
        outputs, inputs = call.input_types[1].shape
        if v.kernel_file == DSP:
            scale = self._tensor_scale(call.input_types) if "tensor" in v.name else (0, 0)
            values = (call.consts[0], *scale, inputs, outputs, self.act_min, self.act_max)
            w.line(f"static const tm_fully_connected p = {{{', '.join(map(str, values))}}};")
            w.line(f"{call.kernel}(&p, {call.inputs[0]}, {call.outputs[0]});")
            return
        zero_point = call.input_types[0].quant.zero_point
        w.line(f"static const tm_output output = {scaling.output_initialiser(self.out, self.act_min, self.act_max)};")
        w.line(f"{call.kernel}({call.inputs[0]}, {call.outputs[0]}, {inputs}, {outputs}, &output, {zero_point},")
        w.line(f"    {', '.join(call.consts)});")

    def _tensor_scale(self, types: Types) -> tuple[int, int]:
        """(multiplier, packed scale) of all channels."""
        scale = scaling.multipliers(types[0], types[1], self.out, 1, self.rounding)
        return packed_scale(scale, self.rounding, self.out.zero_point)

    @classmethod
    def cases(cls) -> Iterable[Case]:
        def case(name: str, inputs: int, outputs: int, *, zeros: tuple[int, int] = (-3, -5), gain: float = 1.0,
                 act: tuple[int, int] = (-128, 127), rounding: Rounding = "high", **more: object) -> Case:  # fmt: skip
            op = cls(golden.output(inputs, zeros[1], gain), *act, rounding)
            x = golden.activation((1, inputs), zeros[0])
            return golden.weighted_case(f"fully_connected_{name}", op, x, (outputs, inputs), 0, **more)

        for inputs in (1, 2, 3, 4, 5, 7, 64):
            yield case(f"{inputs}_to_3", inputs, 3)
        for outputs in (1, 2, 5, 12):
            yield case(f"16_to_{outputs}", 16, outputs)
        for zero in (-128, 127):
            yield case(f"zero_points_{zero}".replace("-", "m"), 16, 4, zeros=(zero, -zero - 1))
        yield case("saturating", 64, 4, fill=golden.Fill(127, 127), gain=20.0)
        yield case("saturating_low", 64, 4, fill=golden.Fill(-128, 127), gain=20.0)
        yield case("relu", 16, 4, zeros=(-128, -100), act=(-100, 127))
        yield case("left_shift", 4, 8, gain=180.0, fill=golden.Fill(weights=1), bias=5)
        yield case("per_tensor", 20, 5, per_tensor=True)
        for rounding in ("double", "single"):
            yield case(f"rounding_{rounding}", 16, 8, rounding=rounding)
