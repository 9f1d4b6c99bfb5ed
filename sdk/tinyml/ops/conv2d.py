"""Convolution over [1, H, W, C] with weights [O, kh, kw, C] and bias [O]."""

from __future__ import annotations

import re
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
from tinyml.ops.cost_table import NARROW
from tinyml.ops.gemm_packing import (
    StreamConstants,
    gemm_stream,
    gemm_stream_bytes,
    groups_of,
    scalable,
    stream_constants,
)  # fmt: skip
from tinyml.ops.kernel_endings import kernel_endings
from tinyml.ops.timing import Work
from tinyml.ops.window import Window

Types = tuple[TensorType, ...]
PORTABLE = "conv2d_s8.h"
DSP = "conv2d_s8_dsp.h"
_MOST_ROWS = 16  # TM_CONV2D_MOST_ROWS
_SHORT_RUN = 16  # kernel rows of fewer bytes are copied by unrolled code of their own
_STRIP_GROUPS = 16  # TM_CONV2D_STRIP_GROUPS
_STRIP_TILES = 3  # TM_CONV2D_STRIP_TILES


def _pixels_together(w: Window) -> int:
    """Pixels that the 1x1 kernel expands at once."""
    return 3 * max(1, _STRIP_GROUPS // groups_of(w.taps))


def _windows_bytes(w: Window) -> int:
    """Scratch of the kernel for windows: three apart, or the columns that those of several tiles share."""
    apart = 24 * groups_of(w.taps)
    tiles = min(_STRIP_TILES, w.out_w // 3)
    if w.in_c % 4 or tiles == 0 or w.stride_w >= w.kernel_w:
        return apart
    return max(apart, 2 * w.kernel_h * w.in_c * (w.kernel_w + (3 * tiles - 1) * w.stride_w))


def _together(v: Variant) -> int:
    """Output channels that lie side by side in the variant's stream."""
    return 4 if "pixels" in v.name else 2


@operator("conv2d")
@dataclass(frozen=True)
class Conv2d:
    """`padding` is (top, bottom, left, right), filled with the input's zero point; `out` quantises the output."""

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

    def check_constants(self, types: Types, weights: Const, bias: Const) -> None:
        if weights.data is not None and bias.data is not None:
            scaling.check_accumulators(weights.data.reshape(weights.type.shape[0], -1), bias.data)

    def reference(self, x: np.ndarray, weights: np.ndarray, bias: np.ndarray, *, types: Types) -> tuple:
        w = self.window(types[0], types[1])
        zero = types[0].quant.zero_point
        padded = w.padded(x, zero)
        patches = np.concatenate([tap for _, _, tap in w.shifted(padded)], axis=-1)
        # Sums of int8 products below 2**31 are exact in float64, where numpy has a fast matrix product.
        kernel = weights.reshape(w.out_c, -1).T.astype(np.float64)
        acc = np.rint((patches.astype(np.float64) - zero) @ kernel).astype(np.int64) + bias
        scale = scaling.multipliers(types[0], types[1], self.out, w.out_c, self.rounding)
        return (scaling.finish(acc, scale, self.out, self.act_min, self.act_max, self.rounding),)

    def variants(self, isa: Isa, *x: TensorType) -> tuple[Variant, ...]:
        portable = Variant(f"conv2d_s8_{self.rounding}", PORTABLE)
        w = self.window(x[0], x[1])
        scale = scaling.multipliers(x[0], x[1], self.out, w.out_c, self.rounding)
        if not isa.dsp or w.dilation_w != 1 or w.kernel_h > _MOST_ROWS or w.kernel_w > 255 or not self._scalable(x):
            return (portable,)
        signed = needs_negative_fix(self.rounding, scale.shift, self.act_min, self.out.zero_point)
        endings = kernel_endings(self.rounding, signed, (self.act_min, self.act_max) != (-128, 127))
        shapes = []
        if w.out_c > 1 and w.is_pointwise:
            shapes.append(("conv2d_1x1_s8_dsp", 8 * groups_of(w.taps) * _pixels_together(w), ()))
        elif w.out_c > 1:
            run, columns = w.kernel_w * w.in_c, w.in_c % 4 == 0
            shape = "_columns" * columns + f"_run{run}" * (run < _SHORT_RUN and not columns)
            shapes.append((f"conv2d{shape}_s8_dsp", _windows_bytes(w), NARROW if w.out_w < 3 else ()))
        if w.is_one_window or (w.is_pointwise and (w.taps % 4 == 0 or w.out_pixels == 1)):  # pixels are read in words
            shapes += [("conv2d_pixels_s8_dsp", 0, ()), ("conv2d_pixels_s8_dsp_short", 0, ())]
        return (*(Variant(name + end, DSP, scratch, tile=tile) for name, scratch, tile in shapes for end in endings),
                portable)  # fmt: skip

    def _scalable(self, x: tuple[TensorType, ...]) -> bool:
        """Whether the SIMD kernels can requantise to this output, if the weights allow it."""
        scale = scaling.multipliers(x[0], x[1], self.out, x[1].shape[0], self.rounding)
        return scalable(scale, self.rounding, self.out.zero_point)

    def _constants(self, rows: np.ndarray, types: Types, bias: Const) -> StreamConstants | None:
        """For weights [channels, taps] in the order in which a kernel takes its taps."""
        scale = scaling.multipliers(types[0], types[1], self.out, len(rows), self.rounding)
        return stream_constants(rows, bias, types[0].quant.zero_point, scale, self.rounding, self.out.zero_point)

    def admits(self, v: Variant, types: Types, weights: Const, bias: Const) -> bool:
        """Whether the variant holds these very weights: the SIMD kernels' sums are 256 times larger."""
        rows = weights.data.reshape(types[1].shape[0], -1)
        return v.kernel_file == PORTABLE or self._constants(rows, types, bias) is not None

    def cost(self, v: Variant, *x: TensorType) -> Cost:
        w = self.window(x[0], x[1])
        macs = w.out_pixels * w.out_c * w.taps
        portable = v.kernel_file == PORTABLE
        weights = x[1].size_bytes + 12 * w.out_c if portable else gemm_stream_bytes(w.out_c, w.taps, _together(v))
        return Cost(macs, self.work(v, *x).cycles, weights, v.scratch_bytes)

    def work(self, v: Variant, *x: TensorType, by_rows: bool = False) -> Work:
        """What the variant does; tiles of three pixels do not reach over the end of a row that is computed alone."""
        w = self.window(x[0], x[1])
        calls = w.out_h if by_rows else 1
        if v.kernel_file == PORTABLE:
            return timing.windowed(v.name, w, calls)
        if "pixels" in v.name:
            return timing.quads("conv2d_pixels", w.taps, w.out_c, w.out_pixels, calls, v.name)
        if "1x1" in v.name:
            return timing.pointwise(w, v.name, _pixels_together(w), by_rows)
        return timing.windows(w, v.name, "columns" in v.name, by_rows)

    def overlap(self, v: Variant, *x: TensorType) -> tuple[Overlap | None, ...]:
        w = self.window(x[0], x[1])
        if v.kernel_file == PORTABLE or "pixels" in v.name:
            return (None,)
        return (w.overlap_of_tiles(_pixels_together(w) if "1x1" in v.name else 3),)

    def rows_needed(self, out_rows: Range, *x: TensorType) -> tuple[Range, ...]:
        return (self.window(x[0], x[1]).rows_needed(out_rows),)

    def pack(self, v: Variant, types: Types, weights: Const, bias: Const) -> tuple[Packed, ...]:
        if v.kernel_file == DSP:
            order = (0, 2, 1, 3) if "columns" in v.name else (0, 1, 2, 3)  # the kernel goes by columns
            rows = weights.data.transpose(order).reshape(types[1].shape[0], -1)
            constants = self._constants(rows, types, bias)
            return (Packed("stream", gemm_stream(rows, constants, _together(v))),)
        scale = scaling.multipliers(types[0], types[1], self.out, types[1].shape[0], self.rounding)
        return (
            Packed("weights", weights.data), Packed("bias", bias.data),
            Packed("multiplier", scale.multiplier), Packed("shift", scale.shift),
        )  # fmt: skip

    def kernel_c(self, v: Variant, w: CWriter, symbol: str) -> None:
        kind = "tm_conv2d_portable" if v.kernel_file == PORTABLE else "tm_conv2d"
        flags = [int("signed" in v.name), int("clamped" in v.name)]
        w.line(f"static TM_SEPARATE void {symbol}(const {kind} *p, const int8_t *x, int8_t *y,")
        with w.block("    TM_UNUSED void *scratch, int32_t first, int32_t stop)"):
            if v.kernel_file == PORTABLE:
                w.line(f"tm_conv2d_s8(p, x, y, first, stop, {scaling.ROUNDINGS[self.rounding]});")
            elif "pixels" in v.name:
                short = int("short" in v.name)
                w.line(f"tm_conv2d_pixels_s8_dsp(p, x, y, first, stop, {short}, {flags[0]}, {flags[1]});")
            elif "1x1" in v.name:
                w.line(f"tm_conv2d_1x1_s8_dsp(p, x, y, scratch, first, stop, {flags[0]}, {flags[1]});")
            else:
                run = re.search(r"_run(\d+)", v.name)
                shape = f"{int('columns' in v.name)}, {int(run[1]) if run else 0}"
                w.line(f"tm_conv2d_s8_dsp(p, x, y, scratch, first, stop, {shape}, {flags[0]}, {flags[1]});")

    def runs_by_rows(self, v: Variant) -> bool:
        return True

    def row_cycles(self, v: Variant, *x: TensorType) -> int:
        return self.work(v, *x, by_rows=True).cycles

    def params_c(self, v: Variant, types: Types, in_ring: int, consts: tuple[str, ...]) -> tuple[str, str]:
        """(C type, initialiser) of the kernels' parameters; `in_ring` rows are in the input's buffer."""
        w = self.window(*types[:2])
        if v.kernel_file == PORTABLE:
            output = scaling.output_initialiser(self.out, self.act_min, self.act_max)
            parts = (*consts, w.c_initialiser, output, types[0].quant.zero_point, in_ring)
            return "tm_conv2d_portable", "{" + ", ".join(map(str, parts)) + "}"
        values = (
            consts[0], w.in_h, w.in_w, w.in_c, in_ring, w.out_w, w.out_c, w.pad_top, w.pad_left, w.kernel_h, w.kernel_w,
            w.stride_h, w.stride_w, w.dilation_h, types[0].quant.zero_point, self.act_min, self.act_max,
        )  # fmt: skip
        return "tm_conv2d", "{" + ", ".join(map(str, values)) + "}"

    def emit_c(self, v: Variant, w: CWriter, call: Call) -> None:
        window = self.window(*call.input_types[:2])
        kind, values = self.params_c(v, call.input_types, window.in_h, call.consts)
        w.line(f"static const {kind} p = {values};")
        w.line(f"{call.kernel}(&p, {call.inputs[0]}, {call.outputs[0]}, {call.scratch}, 0, {window.out_h});")

    @classmethod
    def cases(cls) -> Iterable[Case]:
        def case(name: str, size: tuple[int, int, int], channels: int, kernel: tuple[int, int] = (1, 1),
                 stride: tuple[int, int] = (1, 1), padding: tuple[int, int, int, int] = (0, 0, 0, 0), *,
                 zeros: tuple[int, int] = (-3, -5), gain: float = 1.0, act: tuple[int, int] = (-128, 127),
                 dilation: tuple[int, int] = (1, 1), rounding: Rounding = "high", **more: object) -> Case:  # fmt: skip
            out = golden.output(kernel[0] * kernel[1] * size[2], zeros[1], gain)
            op = cls(stride, padding, out, *act, dilation, rounding)
            x = golden.activation((1, *size), zeros[0])
            return golden.weighted_case(f"conv2d_{name}", op, x, (channels, *kernel, size[2]), 0, **more)

        yield case("1x1_one_of_all", (1, 1, 1), 1)
        for channels in (1, 2, 3, 5, 7, 8):
            yield case(f"1x1_c{channels}_to_5", (3, 4, channels), 5)
            yield case(f"1x1_c4_to_{channels}", (2, 2, 4), channels)
            yield case(f"3x3_c{channels}", (5, 4, channels), 4, (3, 3), padding=(1, 1, 1, 1))
        yield case("1x1_many", (5, 5, 36), 16)
        yield case("1x1_stride", (5, 5, 8), 4, stride=(2, 2))
        yield case("1x1_crop", (5, 5, 8), 4, stride=(3, 4))
        yield case("10x4_first_layer", (21, 12, 1), 6, (10, 4), (2, 2), (4, 5, 1, 1))
        yield case("5x5_first_layer", (12, 11, 1), 8, (5, 5), (2, 2), (2, 2, 2, 2))
        yield case("2x3_top_only", (4, 4, 2), 3, (2, 3), padding=(1, 0, 0, 0))
        yield case("3x2_bottom_only", (4, 4, 2), 3, (3, 2), padding=(0, 2, 0, 0))
        yield case("3x2_left_only", (4, 4, 2), 3, (3, 2), padding=(0, 0, 1, 0))
        yield case("2x3_right_only", (4, 4, 2), 3, (2, 3), padding=(0, 0, 0, 2))
        yield case("stride_past_edge", (4, 5, 3), 2, (2, 2), (3, 4), (0, 1, 1, 0))
        yield case("stride_uneven", (7, 9, 3), 4, (3, 1), (1, 3), (1, 1, 0, 0))
        yield case("whole_image", (3, 5, 3), 6, (3, 5))
        yield case("dilated", (9, 9, 3), 4, (3, 3), (1, 2), (2, 2, 3, 1), dilation=(2, 3))
        for zero in (-128, 0, 127):
            name = f"zero_points_{zero}".replace("-", "m")
            yield case(name, (4, 4, 4), 4, (3, 3), padding=(1, 1, 1, 1), zeros=(zero, -zero - 1))
        for x, weights in ((127, 127), (-128, 127), (127, -127), (-128, -127)):
            name = f"saturating_{x}_{weights}".replace("-", "m")
            yield case(name, (2, 4, 64), 4, fill=golden.Fill(x, weights), gain=20.0)
        yield case("huge_bias", (2, 2, 8), 2, bias=2_000_000_000)
        yield case("huge_negative_bias", (2, 2, 8), 2, bias=-2_000_000_000)
        yield case("relu6", (4, 4, 8), 8, zeros=(-128, -100), act=(-100, 20))
        yield case("relu6_3x3", (4, 4, 3), 3, (3, 3), padding=(1, 1, 1, 1), zeros=(-128, -100), act=(-100, 20))
        yield case("left_shift", (3, 3, 4), 4, gain=180.0, fill=golden.Fill(weights=1), bias=5)
        yield case("per_tensor", (3, 3, 8), 5, per_tensor=True)
        for rounding in ("double", "single"):
            yield case(f"rounding_{rounding}", (4, 4, 8), 8, (3, 3), padding=(1, 1, 1, 1), rounding=rounding)
            more = {"gain": 180.0, "fill": golden.Fill(weights=1), "bias": 5, "rounding": rounding}
            yield case(f"rounding_{rounding}_left_shift", (3, 3, 4), 4, **more)
