"""Average pooling over [1, H, W, C]; the output keeps the input's quantisation."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from tinyml.board import Isa
from tinyml.ir.cwriter import CWriter
from tinyml.ir.op import Call, Case, Cost, GraphError, Overlap, Packed, Range, Variant, operator
from tinyml.ir.tensor import Const, TensorType
from tinyml.ops import golden, scaling, timing
from tinyml.ops.window import Window, pooling_overlap

PORTABLE = "average_pool2d_s8.h"
DSP = "average_pool2d_s8_dsp.h"
_MOST_HALVES = 255  # bytes whose sum fits a half word


def rounded_mean(total: np.ndarray, count: np.ndarray | int) -> np.ndarray:
    """`total / count` rounded half away from zero, for integer arrays and count > 0."""
    return np.sign(total) * ((np.abs(total) + np.asarray(count) // 2) // count)


@operator("average_pool2d")
@dataclass(frozen=True)
class AveragePool2d:
    """Cells outside the input do not count. `padding` is (top, bottom, left, right)."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    act_min: int = -128
    act_max: int = 127

    def window(self, x: TensorType) -> Window:
        return Window.of(x.shape, x.shape[-1], self.kernel, self.stride, self.padding)

    def infer(self, x: TensorType) -> tuple[TensorType, ...]:
        scaling.check_activation(x, "the input")
        scaling.check_output(x.quant, self.act_min, self.act_max, "high")
        if self.kernel[0] * self.kernel[1] > 2**20:
            raise GraphError(f"a pooling window of {self.kernel} is too large for 32-bit sums")
        w = self.window(x)
        return (TensorType((1, w.out_h, w.out_w, w.out_c), "int8", x.quant),)

    def reference(self, x: np.ndarray, *, types: tuple[TensorType, ...]) -> tuple:
        w = self.window(types[0])
        inside = w.padded(np.ones((1, w.in_h, w.in_w, 1), np.int8), 0)
        total = sum(tap.astype(np.int64) for _, _, tap in w.shifted(w.padded(x, 0)))
        count = sum(tap.astype(np.int64) for _, _, tap in w.shifted(inside))
        return (np.clip(rounded_mean(total, count), self.act_min, self.act_max).astype(np.int8),)

    def variants(self, isa: Isa, *x: TensorType) -> tuple[Variant, ...]:
        if isa.dsp and x[0].shape[-1] >= 4 and self.kernel[0] * self.kernel[1] <= _MOST_HALVES:
            return (Variant("average_pool2d_s8_dsp", DSP),)
        return (Variant("average_pool2d_s8", PORTABLE),)

    def cost(self, v: Variant, *x: TensorType) -> Cost:
        simd = v.kernel_file == DSP
        return Cost(0, timing.average_pool(self.window(x[0]), simd), 350 if simd else 200, 0, 0)

    def overlap(self, v: Variant, *x: TensorType) -> tuple[Overlap | None, ...]:
        return (pooling_overlap(self.window(x[0])),)

    def rows_needed(self, out_rows: Range, *x: TensorType) -> tuple[Range, ...]:
        return (self.window(x[0]).rows_needed(out_rows),)

    def pack(self, v: Variant, types: tuple[TensorType, ...], *c: Const) -> tuple[Packed, ...]:
        return ()

    def kernel_c(self, v: Variant, w: CWriter, symbol: str) -> None:
        w.line(f"static TM_SEPARATE void {symbol}(const int8_t *x, int8_t *y, const tm_window *w,")
        with w.block("    const tm_output *out)"):
            w.line(f"tm_{v.name}(x, y, w, out);")

    def emit_c(self, v: Variant, w: CWriter, call: Call) -> None:
        kind = call.input_types[0]
        w.line(f"static const tm_window window = {self.window(kind).c_initialiser};")
        w.line(f"static const tm_output output = {scaling.output_initialiser(kind.quant, self.act_min, self.act_max)};")
        w.line(f"{call.kernel}({call.inputs[0]}, {call.outputs[0]}, &window, &output);")

    @classmethod
    def cases(cls) -> Iterable[Case]:
        sizes = {"1x1": (1, 1, 1, 1), "odd": (1, 5, 6, 3), "wide": (1, 3, 7, 5), "c2": (1, 4, 5, 2), "c4": (1, 4, 4, 4),
                 "c7": (1, 6, 3, 7)}  # fmt: skip
        kinds = {name: (golden.activation(shape, 127),) for name, shape in sizes.items()}
        yield from golden.plain_cases("average_pool_1x1", cls((1, 1), (1, 1)), kinds)
        del kinds["1x1"]
        yield from golden.plain_cases("average_pool_2x2", cls((2, 2), (2, 2)), kinds)
        yield from golden.plain_cases("average_pool_3x3_padded", cls((3, 3), (1, 2), (1, 2, 2, 1)), kinds)
        yield from golden.plain_cases("average_pool_past_edge", cls((2, 3), (3, 4), (1, 0, 0, 1), -100, 100), kinds)
