"""Softmax over the last axis as exact integers: probabilities in steps of 1/256.

Two arithmetics, by attribute. `table`, for networks trained here: with d = max(x) - x in 0..255 and
T[d] = round(65535 * exp(-d * scale)), the output is `min(255, (256 * T[d] + S // 2) // S) - 128` where S is the sum of
T over the row. The table is computed in decimal arithmetic, whose exp is correctly rounded everywhere, and cut off
where it reaches 0. `gemmlowp`: LiteRT's reference kernel, an exponential in Q31 by a polynomial and seven factors, a
sum in Q19 and its reciprocal by Newton's method. Source: LiteRT internal/reference/softmax.h.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Context, Decimal
from functools import lru_cache
from typing import Literal

import numpy as np

from tinyml.board import Isa
from tinyml.ir.cwriter import CWriter
from tinyml.ir.op import Call, Case, Cost, GraphError, Overlap, Packed, Range, Variant, operator
from tinyml.ir.requantize import quantize_multiplier
from tinyml.ir.tensor import Const, QuantParams, TensorType
from tinyml.ops import gemmlowp, golden, scaling, timing
from tinyml.ops.timing import Work

OUT = QuantParams((1 / 256,), -128)
_MOST_CLASSES = 2**16  # of `table`; LiteRT's sum holds fewer than 2**12
_DISTANCE_BITS = 5  # before the point of a distance in Q5.26
_SUM_BITS = 12  # before the point of a sum of exponentials


@lru_cache(maxsize=64)
def exp_table(scale: float) -> np.ndarray:
    """uint16[n <= 256]: round(65535 * exp(-d * scale)) for d = 0, 1, ... up to the last entry that is not 0."""
    context = Context(prec=40)
    entries = []
    for distance in range(256):
        exact = context.multiply(Decimal(65535), context.exp(context.multiply(Decimal(-distance), Decimal(scale))))
        entries.append(int(exact.to_integral_value()))
        if entries[-1] == 0:
            entries.pop()
            break
    table = np.array(entries, np.uint16)
    table.setflags(write=False)
    return table


@lru_cache(maxsize=64)
def input_scale(scale: float, beta: float) -> tuple[int, int, int]:
    """(multiplier, left shift, largest distance) of `gemmlowp`: distances in Q5.26; larger ones count as nothing."""
    real = min(beta * scale * 2.0 ** (31 - _DISTANCE_BITS), 2.0**31 - 1)
    if real <= 1:
        raise GraphError(f"softmax of an input of scale {scale} times {beta} is not supported: the scale is too small")
    multiplier, shift = quantize_multiplier(real / 2.0**31, "double")
    shift += 31
    return multiplier, shift, int(((1 << _DISTANCE_BITS) - 1) * 2.0 ** (31 - _DISTANCE_BITS - shift))


@operator("softmax")
@dataclass(frozen=True)
class Softmax:
    """Output int8 with scale 1/256 and zero point -128: q + 128 is the probability in 256ths, at most 255.

    `beta` (positive) multiplies the input.
    """

    beta: float = 1.0
    arithmetic: Literal["table", "gemmlowp"] = "table"

    def infer(self, x: TensorType) -> tuple[TensorType, ...]:
        scaling.check_activation(x, "the input")
        if x.shape[-1] > (_MOST_CLASSES if self.arithmetic == "table" else 2**_SUM_BITS - 1):
            raise GraphError(f"softmax over {x.shape[-1]} classes is not supported")
        if not 0 < self.beta < float("inf") or self.arithmetic not in ("table", "gemmlowp"):
            raise GraphError(f"softmax with beta {self.beta} and arithmetic `{self.arithmetic}` is not supported")
        if self.arithmetic == "gemmlowp":
            input_scale(x.quant.scale, self.beta)
        return (TensorType(x.shape, "int8", OUT),)

    def reference(self, x: np.ndarray, *, types: tuple[TensorType, ...]) -> tuple:
        scale, wide = types[0].quant.scale, x.astype(np.int64)
        distance = wide.max(axis=-1, keepdims=True) - wide
        if self.arithmetic == "gemmlowp":
            return (_gemmlowp_shares(distance, *input_scale(scale, self.beta)),)
        table = np.zeros(256, np.int64)
        entries = exp_table(scale * self.beta)
        table[: len(entries)] = entries
        weight = table[distance]
        total = weight.sum(axis=-1, keepdims=True)
        return ((np.minimum(255, (256 * weight + total // 2) // total) - 128).astype(np.int8),)

    def variants(self, isa: Isa, *x: TensorType) -> tuple[Variant, ...]:
        if self.arithmetic == "gemmlowp":
            return (Variant("softmax_gemmlowp_s8", "softmax_gemmlowp_s8.h"),)
        return (Variant("softmax_s8", "softmax_s8.h"),)

    def cost(self, v: Variant, *x: TensorType) -> Cost:
        table = 2 * len(exp_table(x[0].quant.scale * self.beta)) if self.arithmetic == "table" else 0
        return Cost(0, self.work(v, *x).cycles, table, 0)

    def work(self, v: Variant, *x: TensorType) -> Work:
        classes = x[0].shape[-1]
        return timing.softmax(v.name, x[0].elements // classes, classes)

    def overlap(self, v: Variant, *x: TensorType) -> tuple[Overlap | None, ...]:
        return (Overlap(0),)

    def rows_needed(self, out_rows: Range, *x: TensorType) -> tuple[Range, ...]:
        return (out_rows,)

    def pack(self, v: Variant, types: tuple[TensorType, ...], *c: Const) -> tuple[Packed, ...]:
        if self.arithmetic == "gemmlowp":
            return ()
        return (Packed("exp", exp_table(types[0].quant.scale * self.beta)),)

    def kernel_c(self, v: Variant, w: CWriter, symbol: str) -> None:
        w.line(f"static TM_SEPARATE TM_SMALL void {symbol}(const int8_t *x, int8_t *y, int32_t rows, int32_t classes,")
        if self.arithmetic == "gemmlowp":
            with w.block("    int32_t multiplier, int32_t shift, int32_t most)"):
                w.line("tm_softmax_gemmlowp_s8(x, y, rows, classes, multiplier, shift, most);")
            return
        with w.block("    const uint16_t *table, int32_t table_length)"):
            w.line("tm_softmax_s8(x, y, rows, classes, table, table_length);")

    def emit_c(self, v: Variant, w: CWriter, call: Call) -> None:
        kind = call.input_types[0]
        rows, classes = kind.elements // kind.shape[-1], kind.shape[-1]
        if self.arithmetic == "gemmlowp":
            more = ", ".join(map(str, input_scale(kind.quant.scale, self.beta)))
        else:
            more = f"{call.consts[0]}, {len(exp_table(kind.quant.scale * self.beta))}"
        w.line(f"{call.kernel}({call.inputs[0]}, {call.outputs[0]}, {rows}, {classes}, {more});")

    @classmethod
    def cases(cls) -> Iterable[Case]:
        for arithmetic in ("table", "gemmlowp"):
            name = "softmax" if arithmetic == "table" else "softmax_gemmlowp"
            for scale in (1e-4, 0.01, 0.1, 1.0, 30.0):
                quant = QuantParams((scale,), 11)
                kinds = {f"{c}_scale{scale}".replace(".", "_").replace("-", "m"): (TensorType((1, c), "int8", quant),)
                         for c in (1, 2, 3, 12, 100)}  # fmt: skip
                yield from golden.random_cases(name, cls(arithmetic=arithmetic), kinds)
                ends = {f"{name}_12_ends": (TensorType((1, 12), "int8", quant),)}
                yield from golden.plain_cases(
                    f"softmax_{scale}".replace(".", "_"), cls(arithmetic=arithmetic), ends, (-128, 127)
                )
            rows = TensorType((1, 3, 5), "int8", QuantParams((0.1,), 0))
            yield from golden.random_cases(name, cls(arithmetic=arithmetic), {"rows": (rows,)})
            yield from golden.random_cases(f"{name}_beta", cls(0.3, arithmetic), {"rows": (rows,)})


def _gemmlowp_shares(distance: np.ndarray, multiplier: int, shift: int, most: int) -> np.ndarray:
    """int8 shares of rows with `distance` >= 0 from their largest value."""
    inside = distance <= most
    scaled = gemmlowp.high_product(-(np.where(inside, distance, 0) << shift), multiplier)
    weight = np.where(inside, gemmlowp.exp_on_negative_values(scaled), 0)
    total = gemmlowp.rounding_shift(weight, _SUM_BITS).sum(axis=-1, keepdims=True)
    factor, bits = gemmlowp.reciprocal(total, _SUM_BITS)
    share = gemmlowp.rounding_shift(gemmlowp.high_product(weight, factor), bits + 31 - 8)
    return (np.minimum(share, 255) - 128).astype(np.int8)
