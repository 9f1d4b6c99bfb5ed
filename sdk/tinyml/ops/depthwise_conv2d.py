"""Depthwise convolution over [1, H, W, C] with weights [1, kh, kw, C] and bias [C]."""

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
from tinyml.ops import scaling
from tinyml.ops import timing_convolutions as timing
from tinyml.ops.depthwise_golden import depthwise_cases
from tinyml.ops.depthwise_packing import Channels, Scale, depthwise_stream, dot_stream, stream_words
from tinyml.ops.depthwise_planes import Planes
from tinyml.ops.timing import Work
from tinyml.ops.window import Window

Types = tuple[TensorType, ...]
PORTABLE = "depthwise_conv2d_s8.h"
DSP = "depthwise3x3.h"
WIDE = "depthwise_wide.h"
DOT = "depthwise_dot.h"
_MOST = 2**16 - 1  # bytes of a row that the kernels' uint16 holds


def _banded(name: str, file: str, p: Planes, w: Window) -> list[Variant]:
    """A kernel's variants: one for each height of the planes; turned only where that gives longer rows."""
    if not p.fits or (p.turned and p.out_columns <= w.out_w):
        return []
    return [Variant(name, file, b.scratch_bytes, tile=(int(b.turned), b.band)) for b in p.bands()]


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
        if signed and scale.n.min() == 0:  # rounded once, but signed kernels fix negative results of all channels
            return (portable,)
        # Rounding negative results away from zero does no harm where none of them can be seen.
        also_signed = scale.rounding == "double" and self.act_min >= self.out.zero_point
        fixes = (True,) if signed else (False, True) if also_signed else (False,)
        found: list[Variant] = []
        if w.is_one_window and w.in_c % 4 == 0:
            found += [Variant(f"depthwise_dot_s8_dsp{'_signed' * fix}_{scale.rounding}", DOT) for fix in fixes]
        for turned in (False, True):
            if not signed and (w.kernel_h, w.kernel_w) == (3, 3):
                p = Planes.of(w, turned, False, 1)
                for kind in ("fixed",) * scale.fits_fixed + ("shifts",):
                    name = f"depthwise3x3s{p.stride_columns}_s8_dsp_{kind}_{scale.rounding}"
                    found += _banded(name, DSP, p, w)
            p = Planes.of(w, turned, True, 1)
            for fix in fixes:
                size = f"{p.filter_columns}s{p.stride_columns}"
                found += _banded(f"depthwise_wide{size}_s8_dsp{'_signed' * fix}_{scale.rounding}", WIDE, p, w)
        return (*found, portable)

    def _planes(self, v: Variant, types: Types) -> Planes:
        return Planes.of(self.window(*types[:2]), bool(v.tile[0]), v.kernel_file == WIDE, v.tile[1])

    def _taps(self, v: Variant, types: Types, weights: Const) -> np.ndarray:
        """int8 [taps, C] in the kernel's order."""
        rows = weights.data[0]
        return rows.reshape(-1, rows.shape[2]) if v.kernel_file == DOT else self._planes(v, types).filter_taps(rows)

    def _channels(self, v: Variant, types: Types, weights: Const, bias: Const) -> Channels | None:
        scale = scaling.multipliers(types[0], types[1], self.out, types[1].shape[3], self.rounding)
        return Channels.of(
            self._taps(v, types, weights), bias.data, types[0].quant.zero_point, Scale.of(scale, self.rounding),
            self.out.zero_point, "_fixed" in v.name,
        )  # fmt: skip

    def admits(self, v: Variant, types: Types, weights: Const, bias: Const) -> bool:
        """Whether the variant holds these very weights."""
        return v.kernel_file == PORTABLE or self._channels(v, types, weights, bias) is not None

    def cost(self, v: Variant, *x: TensorType) -> Cost:
        w = self.window(x[0], x[1])
        macs = w.out_pixels * w.out_c * w.kernel_h * w.kernel_w
        taps = w.kernel_h * w.kernel_w
        if v.kernel_file == PORTABLE:
            weights = x[1].size_bytes + 12 * w.out_c
        elif v.kernel_file == DOT:
            weights = w.out_c // 4 * (36 + 8 * ((taps + 1) // 2))
        else:
            weights = w.out_c * stream_words(self._planes(v, x).taps) * 4
        return Cost(macs, self.work(v, *x).cycles, weights, v.scratch_bytes)

    def work(self, v: Variant, *x: TensorType, by_rows: bool = False) -> Work:
        """What the variant does; every row that is computed alone fills the planes anew."""
        w = self.window(x[0], x[1])
        clamped = (self.act_min, self.act_max) != (-128, 127)
        if v.kernel_file == PORTABLE:
            return timing.depthwise_windowed(v.name, w)
        if v.kernel_file == DOT:
            return timing.depthwise_dot(w.kernel_h * w.kernel_w, w.out_c, v.name, clamped)
        count = timing.depthwise_wide if v.kernel_file == WIDE else timing.depthwise3x3
        return count(self._planes(v, x), w.out_c, v.name, by_rows, clamped)

    def overlap(self, v: Variant, *x: TensorType) -> tuple[Overlap | None, ...]:
        if v.kernel_file == DOT:
            return (Overlap(0),)
        in_place = v.kernel_file != PORTABLE and self._planes(v, x).may_lie_in_place()
        return (Overlap(0, exact=True) if in_place else None,)

    def rows_needed(self, out_rows: Range, *x: TensorType) -> tuple[Range, ...]:
        return (self.window(x[0], x[1]).rows_needed(out_rows),)

    def pack(self, v: Variant, types: Types, weights: Const, bias: Const) -> tuple[Packed, ...]:
        if v.kernel_file != PORTABLE:
            taps, channels = self._taps(v, types, weights), self._channels(v, types, weights, bias)
            if v.kernel_file == DOT:
                return (Packed("stream", dot_stream(taps, channels, types[0].quant.zero_point)),)
            kind = "wide" if v.kernel_file == WIDE else "fixed" if "_fixed" in v.name else "shifts"
            return (Packed("stream", depthwise_stream(taps, channels, kind)),)
        scale = scaling.multipliers(types[0], types[1], self.out, types[1].shape[3], self.rounding)
        return (
            Packed("weights", weights.data), Packed("bias", bias.data),
            Packed("multiplier", scale.multiplier), Packed("shift", scale.shift),
        )  # fmt: skip

    def kernel_c(self, v: Variant, w: CWriter, symbol: str) -> None:
        if v.kernel_file == PORTABLE:
            scaling.portable_kernel_c(w, symbol, "tm_depthwise_conv2d_s8", self.rounding)
        elif v.kernel_file == DOT:
            w.line(f"static TM_SEPARATE void {symbol}(const int8_t *x, int8_t *y, int32_t channels, int32_t taps,")
            with w.block("    const int32_t *stream, const tm_output *out)"):
                flags = f"{int('_signed' in v.name)}, {int('_double' in v.name)}"
                w.line(f"tm_depthwise_dot(x, y, channels, taps, stream, out, {flags});")
        else:
            self._planar_kernel_c(v, w, symbol)

    def _planar_kernel_c(self, v: Variant, w: CWriter, symbol: str) -> None:
        columns, stride = re.search(r"(\d)s(\d)_s8", v.name).groups()
        kind, begin, call = "tm_depthwise3x3", f"3x3_begin(p, &set, {stride})", "3x3_filter(p, work"
        flags = [stride, int("_fixed" in v.name), int("_double" in v.name)]
        if v.kernel_file == WIDE:
            kind, begin, call = "tm_depthwise_row", "_wide_begin(p, &set)", "_wide_filter(p, work"
            flags = [columns, stride, int("_signed" in v.name), int("_double" in v.name)]
        with w.block(f"static TM_SEPARATE void {symbol}_filter(const tm_depthwise *p, const tm_depthwise_work *work)"):
            w.line(f"tm_depthwise{call}, {', '.join(map(str, flags))});")
        w.line()
        w.line(f"static TM_SEPARATE void {symbol}(const tm_depthwise *p, const int8_t *x, int8_t *y,")
        with w.block("    void *scratch, int32_t first, int32_t stop)"):
            w.line(f"{kind} set;")
            w.line(f"tm_depthwise{begin};")
            w.line(f"tm_depthwise_run(p, x, y, scratch, first, stop, {symbol}_filter, &set);")

    def runs_by_rows(self, v: Variant) -> bool:
        return v.kernel_file in (DSP, WIDE) and not v.tile[0]

    def row_cycles(self, v: Variant, *x: TensorType) -> int:
        return self.work(v, *x, by_rows=True).cycles

    def params_c(self, v: Variant, types: Types, in_ring: int, consts: tuple[str, ...]) -> tuple[str, str]:
        """(C type, initialiser) of the SIMD kernels' parameters; `in_ring` rows are in the input's buffer."""
        w, p = self.window(*types[:2]), self._planes(v, types)
        x_steps, y_steps = (w.in_c, w.in_w * w.in_c), (w.in_c, w.out_w * w.in_c)
        if p.turned:
            x_steps, y_steps, in_ring = x_steps[::-1], y_steps[::-1], p.in_rows
        values = (
            consts[0], w.in_c, p.in_rows, p.in_columns, p.out_columns, *x_steps, *y_steps, in_ring, p.plane_bytes,
            p.pitch, p.kernel_rows, p.stride_rows, p.pad_rows, p.pad_columns, p.band, stream_words(p.taps), p.chunks,
            types[0].quant.zero_point, self.out.zero_point, self.act_min, self.act_max,
        )  # fmt: skip
        return "tm_depthwise", "{" + ", ".join(map(str, values)) + "}"

    def emit_c(self, v: Variant, w: CWriter, call: Call) -> None:
        output = scaling.output_initialiser(self.out, self.act_min, self.act_max)
        if v.kernel_file == PORTABLE:
            scaling.windowed_layer_c(w, call, self.window(*call.input_types[:2]), output)
            return
        if v.kernel_file == DOT:
            _, height, width, channels = call.input_types[1].shape
            w.line(f"static const tm_output output = {output};")
            w.line(f"{call.kernel}({call.inputs[0]}, {call.outputs[0]}, {channels}, {height * width},")
            w.line(f"    {call.consts[0]}, &output);")
            return
        planes = self._planes(v, call.input_types)
        kind, values = self.params_c(v, call.input_types, planes.in_rows, call.consts)
        w.line(f"static const {kind} p = {values};")
        w.line(f"{call.kernel}(&p, {call.inputs[0]}, {call.outputs[0]}, {call.scratch}, 0, {planes.out_rows});")

    @classmethod
    def cases(cls) -> Iterable[Case]:
        return depthwise_cases(cls)
