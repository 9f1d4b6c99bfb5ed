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
from tinyml.ir.tensor import Const, QuantParams, TensorType
from tinyml.ops import golden, scaling, timing
from tinyml.ops.window import Window

Types = tuple[TensorType, ...]
PORTABLE = "depthwise_conv2d_s8.h"
DSP = "depthwise_conv2d_s8_dsp.h"
_MOST_PAIRS = 32  # TM_DEPTHWISE_MOST_PAIRS
_MOST_REACH = 4088  # bytes that the assembly's immediate offsets reach
_NAME = re.compile(r"depthwise_conv2d_(\d+)x(\d+)_s8_dsp(?:_row(\d+)s(\d+)x(\d+))?_planes(\d)")


def _fast_row_bytes(w: Window) -> int:
    """Row length of a plane for the 3x3 kernel at stride 1 (pairs of outputs) or 2 along the row, else 0."""
    row_bytes = 4 * (w.out_w if w.stride_w == 2 else -(-w.out_w // 2)) + 4
    fits = (w.kernel_h, w.kernel_w) == (3, 3) and w.stride_w in (1, 2) and row_bytes * max(2, w.stride_h) <= _MOST_REACH
    return row_bytes if fits else 0


def _plane_bytes(w: Window) -> int:
    """Size of one int16 plane with its padding: the C computes the same from `tm_window`."""
    reach = (w.out_w - 1) * w.stride_w + 2 * -(-w.kernel_w // 2)
    row_bytes = _fast_row_bytes(w) or 4 * -(-reach // 2)
    return row_bytes * ((w.out_h - 1) * w.stride_h + w.kernel_h)


def _stream_words(w: Window) -> int:
    return 2 + w.kernel_h * -(-w.kernel_w // 4)


def _stream(weights: np.ndarray, bias: np.ndarray, multiplier: np.ndarray) -> np.ndarray:
    """int32 stream from weights int8 [kh, kw, C]: per channel bias, multiplier, kernel rows in whole words."""
    height, width, channels = weights.shape
    rows = np.zeros((channels, height, 4 * -(-width // 4)), np.int8)
    rows[:, :, :width] = weights.transpose(2, 0, 1)
    words = rows.reshape(channels, -1).view("<i4")
    return np.concatenate([bias[:, None], multiplier[:, None], words], axis=1).ravel().astype(np.int32)


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
        pairs = w.kernel_h * -(-w.kernel_w // 2)
        if not isa.dsp or self.rounding != "high" or scale.any_shift or self.dilation != (1, 1) or pairs > _MOST_PAIRS:
            return (portable,)
        return (*(self._planar(w, planes) for planes in (4, 1)), portable)

    def _planar(self, w: Window, planes: int) -> Variant:
        size = f"{w.kernel_h}x{w.kernel_w}"
        row_bytes = _fast_row_bytes(w)
        width = f"_row{row_bytes}s{w.stride_h}x{w.stride_w}" if row_bytes else ""
        return Variant(f"depthwise_conv2d_{size}_s8_dsp{width}_planes{planes}", DSP, planes * _plane_bytes(w))

    def cost(self, v: Variant, *x: TensorType) -> Cost:
        w = self.window(x[0], x[1])
        macs = w.out_pixels * w.out_c * w.kernel_h * w.kernel_w
        if v.kernel_file == PORTABLE:
            return Cost(macs, timing.depthwise_portable(w), 400, x[1].size_bytes + 12 * w.out_c, 0)
        fast, planes = _fast_row_bytes(w) > 0, int(_NAME.match(v.name)[6])
        cycles = timing.depthwise_simd(w, planes, _plane_bytes(w), fast)
        cycles += timing.clamp_cycles(w.out_pixels * w.out_c, self.act_min, self.act_max)
        code_bytes = (550 if fast and w.stride_w == 1 else 400) + 230 * (planes == 4)  # measured
        return Cost(macs, cycles, code_bytes, w.out_c * _stream_words(w) * 4, v.scratch_bytes)

    def overlap(self, v: Variant, *x: TensorType) -> tuple[Overlap | None, ...]:
        # A channel is written, at its own places of every pixel, only after it has been read as a whole.
        return (Overlap(0, exact=True) if v.kernel_file == DSP else None,)

    def rows_needed(self, out_rows: Range, *x: TensorType) -> tuple[Range, ...]:
        return (self.window(x[0], x[1]).rows_needed(out_rows),)

    def pack(self, v: Variant, types: Types, weights: Const, bias: Const) -> tuple[Packed, ...]:
        scale = scaling.multipliers(types[0], types[1], self.out, types[1].shape[3], self.rounding)
        if v.kernel_file == DSP:
            rows = weights.data.reshape(-1, types[1].shape[3]).T
            folded = scaling.folded_bias(rows, bias, types[0].quant.zero_point)
            return (Packed("stream", _stream(weights.data[0], folded, scale.multiplier)),)
        return (
            Packed("weights", weights.data), Packed("bias", bias.data),
            Packed("multiplier", scale.multiplier), Packed("shift", scale.shift),
        )  # fmt: skip

    def kernel_c(self, v: Variant, w: CWriter, symbol: str) -> None:
        if v.kernel_file == PORTABLE:
            scaling.portable_kernel_c(w, symbol, "tm_depthwise_conv2d_s8", self.rounding)
            return
        height, width, row_bytes, stride_h, stride_w, planes = _NAME.match(v.name).groups()
        w.line(f"static TM_SEPARATE void {symbol}(const int8_t *x, int8_t *y, const tm_window *w,")
        with w.block("    const tm_output *out, int32_t in_zero_point, const int32_t *stream, void *scratch)"):
            w.line("tm_depthwise_conv2d_s8_dsp(x, y, w, out, in_zero_point, stream, scratch, "
                   f"{height}, {width}, {planes}, {row_bytes or 0}, {stride_h or 0}, {stride_w or 0});")  # fmt: skip

    def emit_c(self, v: Variant, w: CWriter, call: Call) -> None:
        output = scaling.output_initialiser(self.out, self.act_min, self.act_max)
        scratch = (call.scratch,) if v.kernel_file == DSP else ()
        scaling.windowed_layer_c(w, call, self.window(*call.input_types[:2]), output, scratch)

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
