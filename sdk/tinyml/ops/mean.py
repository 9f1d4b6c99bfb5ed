"""Mean over axes: of the raw integers in the input's quantisation, or requantised as LiteRT does."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import prod

import numpy as np

from tinyml.board import Isa
from tinyml.ir.cwriter import CWriter
from tinyml.ir.op import Call, Case, Cost, GraphError, Overlap, Packed, Range, Variant, operator
from tinyml.ir.requantize import Rounding, quantize_multiplier, requantize
from tinyml.ir.tensor import Const, QuantParams, TensorType
from tinyml.ops import golden, scaling, timing
from tinyml.ops.average_pool2d import rounded_mean
from tinyml.ops.timing import Work

PORTABLE = "mean_s8.h"
DSP = "mean_s8_dsp.h"
_MOST_HALVES = 255  # bytes whose sum fits a half word


@operator("mean")
@dataclass(frozen=True)
class Mean:
    """`axes` are consecutive (axes of size 1 between them do not matter) and do not hold the batch.

    `rounding` is `high` for networks trained here: the mean of the raw integers, rounded half away from zero, in the
    input's quantisation (`out` is None). `double` is LiteRT's: the sum less its zero points times a multiplier that
    carries the scales' ratio and the number of elements; `single` the same, rounded once.
    Source: LiteRT kernels/reduce.cc.
    """

    axes: tuple[int, ...] = (1, 2)
    keep_dims: bool = False
    out: QuantParams | None = None
    rounding: Rounding = "high"

    def extents(self, x: TensorType) -> tuple[int, int, int]:
        """(outer, reduced, inner) numbers of elements. Raises: GraphError for axes that do not lie side by side."""
        shape, axes = x.shape, sorted(self.axes)
        valid = len(set(axes)) == len(axes) > 0 and axes[0] > 0 and axes[-1] < len(shape)
        between = [n for i, n in enumerate(shape) if valid and axes[0] < i < axes[-1] and i not in axes]
        if not valid or prod(between) != 1 or shape[0] != 1 or min(shape) < 1:
            raise GraphError(
                f"the mean of an input of shape {list(shape)} over axes {list(self.axes)} is not supported"
            )
        count = prod(shape[axes[0] : axes[-1] + 1])
        if count >= 2**20:
            raise GraphError(f"the mean of {count} values is not supported")
        return prod(shape[: axes[0]]), count, prod(shape[axes[-1] + 1 :])

    def scale(self, x: TensorType) -> tuple[int, int]:
        """(multiplier, left shift) by which the sum less its zero points becomes the output, unless `high`."""
        try:
            multiplier, shift = quantize_multiplier(x.quant.scale / (self.out or x.quant).scale, "double")
        except ValueError as error:
            raise GraphError(str(error), hint="the scales of input and output do not belong together") from error
        count = self.extents(x)[1]
        bits = min(count.bit_length() - 1, 32, 31 + shift)
        return (multiplier << bits) // count, shift - bits

    def infer(self, x: TensorType) -> tuple[TensorType, ...]:
        scaling.check_activation(x, "the input")
        if self.rounding not in scaling.ROUNDINGS or (self.rounding == "high" and self.out not in (None, x.quant)):
            raise GraphError(f"a mean with rounding `{self.rounding}` cannot have the output quantisation {self.out}")
        out = self.out or x.quant
        scaling.check_output(out, -128, 127, self.rounding)
        self.extents(x)
        self.scale(x)
        shape = [1 if i in self.axes else n for i, n in enumerate(x.shape) if self.keep_dims or i not in self.axes]
        return (TensorType(tuple(shape), "int8", out),)

    def reference(self, x: np.ndarray, *, types: tuple[TensorType, ...]) -> tuple:
        total, count = x.sum(axis=self.axes, keepdims=self.keep_dims, dtype=np.int64), self.extents(types[0])[1]
        if self.rounding == "high":
            return (rounded_mean(total, count).astype(np.int8),)
        quant = types[0].quant
        result = requantize(total - quant.zero_point * count, *self.scale(types[0]), self.rounding)
        return (np.clip(result + (self.out or quant).zero_point, -128, 127).astype(np.int8),)

    def variants(self, isa: Isa, *x: TensorType) -> tuple[Variant, ...]:
        _, count, inner = self.extents(x[0])
        rounding = "double_right" if self.rounding == "double" and self.scale(x[0])[1] < 0 else self.rounding
        portable = Variant(f"mean_s8_{rounding}", PORTABLE)
        plain = "_plain" if inner % 4 == 0 and count <= _MOST_HALVES else ""
        dsp = Variant(f"mean_s8_dsp{plain}_{rounding}", DSP)
        return (dsp, portable) if isa.dsp and inner >= 4 else (portable,)

    def cost(self, v: Variant, *x: TensorType) -> Cost:
        return Cost(0, self.work(v, *x).cycles, 0, 0)

    def work(self, v: Variant, *x: TensorType) -> Work:
        return timing.mean(v.name, *self.extents(x[0]), v.kernel_file == DSP)

    def overlap(self, v: Variant, *x: TensorType) -> tuple[Overlap | None, ...]:
        # Outputs are written over the first cells of what has been read, or before them.
        return (Overlap(0),)

    def rows_needed(self, out_rows: Range, *x: TensorType) -> tuple[Range, ...]:
        whole = len(x[0].shape) < 3 or len(x[0].shape) - 3 in self.axes or not self.keep_dims
        return (Range(0, x[0].shape[-3] if len(x[0].shape) > 2 else 1) if whole else out_rows,)

    def pack(self, v: Variant, types: tuple[TensorType, ...], *c: Const) -> tuple[Packed, ...]:
        return ()

    def kernel_c(self, v: Variant, w: CWriter, symbol: str) -> None:
        rounding = "TM_ROUND_DOUBLE_RIGHT" if v.name.endswith("right") else scaling.ROUNDINGS[self.rounding]
        with w.block(f"static TM_SEPARATE void {symbol}(const int8_t *x, int8_t *y, const tm_mean *mean)"):
            if v.kernel_file == DSP:
                w.line(f"tm_mean_s8_dsp(x, y, mean, {rounding}, {int('plain' in v.name)});")
            else:
                w.line(f"tm_mean_s8(x, y, mean, {rounding});")

    def emit_c(self, v: Variant, w: CWriter, call: Call) -> None:
        kind = call.input_types[0]
        outer, count, inner = self.extents(kind)
        values = [count, inner, outer]
        if self.rounding != "high":
            multiplier, shift = self.scale(kind)
            values += [-count * kind.quant.zero_point, multiplier, shift, (self.out or kind.quant).zero_point]
        w.line(f"static const tm_mean mean = {{{', '.join(map(str, values + [0] * (7 - len(values))))}}};")
        w.line(f"{call.kernel}({call.inputs[0]}, {call.outputs[0]}, &mean);")

    @classmethod
    def cases(cls) -> Iterable[Case]:
        sizes = [(1, 1, 1), (2, 3, 1), (3, 3, 2), (5, 3, 3), (4, 4, 4), (25, 5, 7), (20, 13, 8), (5, 5, 8)]
        kinds = {"x".join(map(str, s)): (golden.activation((1, *s), 127),) for s in sizes}
        yield from golden.plain_cases("mean", cls(), kinds)
        for scale, zero in ((0.1, 127), (0.031, -128), (0.4, 5)):
            for rounding in ("double", "single"):
                op = cls(out=QuantParams((scale,), zero), rounding=rounding)
                yield from golden.random_cases(f"mean_{rounding}_{zero}".replace("-", "m"), op, kinds)
        for axes in ((1,), (2,), (3,), (1, 2, 3), (2, 3)):
            for name in ("5x3x3", "25x5x7"):
                op = cls(axes, True, QuantParams((0.07,), -9), "double")
                axis = "".join(map(str, axes))
                yield from golden.random_cases(f"mean_axes{axis}", op, {name: kinds[name]})
