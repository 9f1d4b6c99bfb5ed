"""Depthwise convolution over [1, H, W, C] with weights [1, kh, kw, C] and bias [C]."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from tinyml.board import Isa
from tinyml.ir.cwriter import CWriter
from tinyml.ir.op import Call, Case, Cost, GraphError, Overlap, Packed, Range, Variant, operator
from tinyml.ir.requantize import Rounding
from tinyml.ir.requantize_scaled import needs_negative_fix
from tinyml.ir.tensor import Const, QuantParams, TensorType
from tinyml.ops import golden, scaling, timing
from tinyml.ops.depthwise_packing import Scale, depthwise_stream, stream_words
from tinyml.ops.depthwise_planes import Planes
from tinyml.ops.window import Window

Types = tuple[TensorType, ...]
PORTABLE = "depthwise_conv2d_s8.h"
DSP = "depthwise3x3.h"
WIDE = "depthwise_wide.h"
_MOST = 2**16 - 1  # bytes of a row that the kernels' uint16 holds


@operator("depthwise_conv2d")
@dataclass(frozen=True)
class DepthwiseConv2d:
    """One filter per channel. `padding` is (top, bottom, left, right), filled with the input's zero point."""

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

    def check_constants(self, types: Types, weights: Const, bias: Const) -> None:
        if weights.data is not None and bias.data is not None:
            scaling.check_accumulators(weights.data.reshape(-1, weights.type.shape[3]).T, bias.data)

    def reference(self, x: np.ndarray, weights: np.ndarray, bias: np.ndarray, *, types: Types) -> tuple:
        w = self.window(types[0], types[1])
        zero = types[0].quant.zero_point
        acc = np.zeros((x.shape[0], w.out_h, w.out_w, w.out_c), np.int64) + bias
        for ky, kx, tap in w.shifted(w.padded(x, zero)):
            acc += (tap.astype(np.int32) - zero) * weights[0, ky, kx].astype(np.int32)
        scale = scaling.multipliers(types[0], types[1], self.out, w.out_c, self.rounding)
        return (scaling.finish(acc, scale, self.out, self.act_min, self.act_max, self.rounding),)

    def variants(self, isa: Isa, *x: TensorType) -> tuple[Variant, ...]:
        portable = Variant(f"depthwise_conv2d_s8_{self.rounding}", PORTABLE)
        w = self.window(x[0], x[1])
        scale = scaling.multipliers(x[0], x[1], self.out, w.out_c, self.rounding)
        signed = needs_negative_fix(self.rounding, scale.shift, self.act_min, self.out.zero_point)
        scale = Scale.of(scale, self.rounding)
        rows_bytes = max(w.in_w, w.out_w) * w.in_c
        if not isa.dsp or w.in_c != w.out_c or w.in_c < 2 or rows_bytes > _MOST or self.dilation != (1, 1):
            return (portable,)
        if not scale.fits_shifts or w.stride_h > 255:
            return (portable,)
        found: list[Variant] = []
        for turned in (False, True):
            p = Planes.of(w, turned, signed or (w.kernel_h, w.kernel_w) != (3, 3), 1)
            if p.fits and (not turned or p.out_columns > w.out_w):
                found += [self._planar(band, scale, signed) for band in p.bands()]
        return (*found, portable)

    def _planar(self, p: Planes, scale: Scale, signed: bool) -> Variant:
        size = f"{p.filter_columns}s{p.stride_columns}"
        if p.wide:
            name, file = f"depthwise_wide{size}_s8_dsp{'_signed' * signed}_{scale.rounding}", WIDE
        else:
            name, file = f"depthwise3x{size}_s8_dsp_{'fixed' if scale.fits_fixed else 'shifts'}_{scale.rounding}", DSP
        return Variant(name, file, p.scratch_bytes, tile=(int(p.turned), p.band))

    def _planes(self, v: Variant, types: Types) -> Planes:
        return Planes.of(self.window(*types[:2]), bool(v.tile[0]), v.kernel_file == WIDE, v.tile[1])

    def _stream(self, v: Variant, types: Types, weights: Const, bias: Const) -> np.ndarray | None:
        scale = scaling.multipliers(types[0], types[1], self.out, types[1].shape[3], self.rounding)
        kind = "wide" if v.kernel_file == WIDE else "fixed" if "_fixed" in v.name else "shifts"
        return depthwise_stream(
            self._planes(v, types).filter_taps(weights.data[0]), bias.data, types[0].quant.zero_point,
            Scale.of(scale, self.rounding), self.out.zero_point, kind,
        )  # fmt: skip

    def admits(self, v: Variant, types: Types, weights: Const, bias: Const) -> bool:
        """Whether the variant holds these very weights."""
        return v.kernel_file == PORTABLE or self._stream(v, types, weights, bias) is not None

    def cost(self, v: Variant, *x: TensorType) -> Cost:
        w = self.window(x[0], x[1])
        macs = w.out_pixels * w.out_c * w.kernel_h * w.kernel_w
        if v.kernel_file == PORTABLE:
            return Cost(macs, timing.depthwise_portable(w), 400, x[1].size_bytes + 12 * w.out_c, 0)
        p = self._planes(v, x)
        cycles = self._cycles(v, p, w.out_c)
        cycles += timing.clamp_cycles(w.out_pixels * w.out_c, self.act_min, self.act_max)
        return Cost(macs, cycles, 1100, w.out_c * stream_words(p.taps) * 4, v.scratch_bytes)

    def _cycles(self, v: Variant, p: Planes, channels: int) -> int:
        if p.wide:
            return timing.depthwise_wide(p, channels, "_signed" in v.name)
        return timing.depthwise3x3(p, channels, "_fixed" in v.name)

    def overlap(self, v: Variant, *x: TensorType) -> tuple[Overlap | None, ...]:
        in_place = v.kernel_file != PORTABLE and self._planes(v, x).may_lie_in_place()
        return (Overlap(0, exact=True) if in_place else None,)

    def rows_needed(self, out_rows: Range, *x: TensorType) -> tuple[Range, ...]:
        return (self.window(x[0], x[1]).rows_needed(out_rows),)

    def pack(self, v: Variant, types: Types, weights: Const, bias: Const) -> tuple[Packed, ...]:
        if v.kernel_file != PORTABLE:
            return (Packed("stream", self._stream(v, types, weights, bias)),)
        scale = scaling.multipliers(types[0], types[1], self.out, types[1].shape[3], self.rounding)
        return (
            Packed("weights", weights.data), Packed("bias", bias.data),
            Packed("multiplier", scale.multiplier), Packed("shift", scale.shift),
        )  # fmt: skip

    def kernel_c(self, v: Variant, w: CWriter, symbol: str) -> None:
        if v.kernel_file == PORTABLE:
            scaling.portable_kernel_c(w, symbol, "tm_depthwise_conv2d_s8", self.rounding)
            return
        columns, stride = re.search(r"(\d)s(\d)_s8", v.name).groups()
        flags = [stride, int("_fixed" in v.name), int("_double" in v.name)]
        call = "tm_depthwise3x3_filter(p, stream, plane, y, rows"
        if v.kernel_file == WIDE:
            flags = [columns, stride, int("_signed" in v.name), int("_double" in v.name)]
            call = "tm_depthwise_wide_filter(p, stream, plane, y, first, rows, room"
        w.line(f"static TM_SEPARATE void {symbol}_filter(const tm_depthwise *p, const int32_t *stream,")
        w.line("    const int16_t *plane, int8_t *y, TM_UNUSED int32_t first, int32_t rows,")
        with w.block("    TM_UNUSED uint32_t *room)"):
            w.line(f"{call}, {', '.join(map(str, flags))});")
        w.line()
        w.line(f"static TM_SEPARATE void {symbol}(const tm_depthwise *p, const int8_t *x, int8_t *y,")
        with w.block("    void *scratch, int32_t first, int32_t stop)"):
            w.line(f"tm_depthwise_run(p, x, y, scratch, first, stop, {symbol}_filter);")

    def runs_by_rows(self, v: Variant) -> bool:
        return v.kernel_file != PORTABLE and not v.tile[0]

    def row_cycles(self, v: Variant, *x: TensorType) -> int:
        """Every row fills the planes anew."""
        w = self.window(x[0], x[1])
        return self._cycles(v, replace(self._planes(v, x), band=1), w.out_c)

    def params_c(self, v: Variant, types: Types, in_ring: int, consts: tuple[str, ...]) -> tuple[str, str]:
        """(C type, initialiser) of the SIMD kernels' parameters; `in_ring` rows are in the input's buffer."""
        w, p = self.window(*types[:2]), self._planes(v, types)
        x_steps, y_steps = (w.in_c, w.in_w * w.in_c), (w.in_c, w.out_w * w.in_c)
        if p.turned:
            x_steps, y_steps, in_ring = x_steps[::-1], y_steps[::-1], p.in_rows
        values = (
            consts[0], w.in_c, p.in_rows, p.in_columns, p.out_columns, *x_steps, *y_steps, in_ring, p.pitch,
            p.kernel_rows, p.stride_rows, p.pad_rows, p.pad_columns, p.band, stream_words(p.taps), p.chunks,
            types[0].quant.zero_point, self.out.zero_point, self.act_min, self.act_max,
        )  # fmt: skip
        return "tm_depthwise", "{" + ", ".join(map(str, values)) + "}"

    def emit_c(self, v: Variant, w: CWriter, call: Call) -> None:
        if v.kernel_file == PORTABLE:
            output = scaling.output_initialiser(self.out, self.act_min, self.act_max)
            scaling.windowed_layer_c(w, call, self.window(*call.input_types[:2]), output)
            return
        planes = self._planes(v, call.input_types)
        kind, values = self.params_c(v, call.input_types, planes.in_rows, call.consts)
        w.line(f"static const {kind} p = {values};")
        w.line(f"{call.kernel}(&p, {call.inputs[0]}, {call.outputs[0]}, {call.scratch}, 0, {planes.out_rows});")

    @classmethod
    def cases(cls) -> Iterable[Case]:
        def case(name: str, size: tuple[int, int, int], kernel: tuple[int, int] = (3, 3),
                 stride: tuple[int, int] = (1, 1), padding: tuple[int, int, int, int] = (1, 1, 1, 1), *,
                 zeros: tuple[int, int] = (-3, -5), gain: float = 1.0, act: tuple[int, int] = (-128, 127),
                 dilation: tuple[int, int] = (1, 1), rounding: Rounding = "high", **more: object) -> Case:  # fmt: skip
            op = cls(stride, padding, golden.output(kernel[0] * kernel[1], zeros[1], gain), *act, dilation, rounding)
            x = golden.activation((1, *size), zeros[0])
            return golden.weighted_case(f"depthwise_{name}", op, x, (1, *kernel, size[2]), 3, **more)

        yield case("1x1_one_of_all", (1, 1, 1), (1, 1), padding=(0, 0, 0, 0))
        yield case("3x3_single_pixel", (1, 1, 5))
        for channels in (1, 2, 3, 4, 5, 7, 8):
            yield case(f"3x3_c{channels}", (5, 4, channels))
            yield case(f"3x3_s2_c{channels}", (5, 6, channels), stride=(2, 2))
            yield case(f"3x3_s2x1_c{channels}", (7, channels, 5), stride=(2, 1))
            yield case(f"3x3_s1x2_c{channels}", (4, 7, channels), stride=(1, 2))
        for width in (1, 2, 3, 5, 6):
            yield case(f"3x3_width{width}", (4, width, 6))
        yield case("3x3_valid", (5, 5, 4), padding=(0, 0, 0, 0))
        yield case("3x3_wide_padding", (2, 2, 4), padding=(2, 2, 2, 2))
        for index, side in enumerate(("top", "bottom", "left", "right")):
            yield case(f"3x3_{side}_only", (5, 5, 4), padding=tuple(int(i == index) for i in range(4)))
            yield case(f"2x4_{side}_only", (5, 6, 3), (2, 4), padding=tuple(int(i == index) for i in range(4)))
        yield case("1x3", (4, 7, 4), (1, 3), padding=(0, 0, 1, 1))
        yield case("3x1", (7, 4, 4), (3, 1), padding=(1, 1, 0, 0))
        yield case("29x1_stream", (29, 1, 4), (29, 1), padding=(0, 0, 0, 0))
        yield case("5x5", (7, 6, 4), (5, 5), padding=(2, 2, 2, 2))
        yield case("5x5_s2", (7, 6, 4), (5, 5), (2, 2), (1, 2, 1, 2))
        yield case("7x7", (8, 8, 4), (7, 7), padding=(3, 3, 3, 3))
        yield case("11x11_portable", (12, 12, 2), (11, 11), padding=(5, 5, 5, 5))
        yield case("stride_past_edge", (4, 5, 4), (2, 2), (3, 4), (0, 1, 1, 0))
        yield case("stride_uneven", (7, 9, 4), (3, 3), (1, 3), (1, 1, 0, 0))
        yield case("dilated", (9, 9, 4), (3, 3), (1, 2), (2, 2, 3, 1), dilation=(2, 3))
        for zero in (-128, 0, 127):
            yield case(f"zero_points_{zero}".replace("-", "m"), (4, 5, 4), zeros=(zero, -zero - 1))
        for x, weights in ((127, 127), (-128, 127), (127, -127), (-128, -127)):
            name = f"saturating_{x}_{weights}".replace("-", "m")
            yield case(name, (3, 3, 4), fill=golden.Fill(x, weights), gain=20.0)
        yield case("huge_bias", (2, 2, 4), bias=2_000_000_000)
        yield case("huge_negative_bias", (2, 2, 4), bias=-2_000_000_000)
        yield case("relu6", (4, 4, 4), zeros=(-128, -100), act=(-100, 20))
        yield case("left_shift", (3, 3, 4), gain=120.0, fill=golden.Fill(weights=1), bias=5)
        yield case("per_tensor", (4, 4, 4), per_tensor=True)
        for rounding in ("double", "single"):
            yield case(f"rounding_{rounding}", (4, 4, 4), rounding=rounding)
