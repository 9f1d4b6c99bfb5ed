"""Softmax over the last axis as exact integers: probabilities in steps of 1/256.

Two arithmetics, by attribute. `integer`, for networks trained here: with d = max(x) - x in 0..255 and
T[d] = round(65535 * exp(-d * scale)), the output is `min(255, (256 * T[d] + S // 2) // S) - 128` where S is the sum of
T over the row. The table is computed in decimal arithmetic, whose exp is correctly rounded everywhere, and cut off
where it reaches 0. `float32`: LiteRT's, which sums float32 values of a table and multiplies by the reciprocal; the C
computes the same roundings in integers.
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
from tinyml.ir.tensor import Const, QuantParams, TensorType
from tinyml.ops import golden, scaling, timing
from tinyml.ops.expf import expf

OUT = QuantParams((1 / 256,), -128)
_MOST_CLASSES = 2**16
_SMALLEST_NORMAL = np.float32(2.0**-126)


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
def float_exp_table(scale: float, beta: float) -> np.ndarray:
    """float32[n <= 256] of exp(-d * scale * beta); cut off below the normal numbers, which cannot change an output.

    Source: LiteRT kernels/internal/optimized/optimized_ops.h, PopulateSoftmaxLookupTable.
    """
    step = -np.float32(scale) * np.float32(beta)
    table = expf(step * np.arange(256, dtype=np.float32))
    table = table[table >= _SMALLEST_NORMAL]
    table.setflags(write=False)
    return table


@operator("softmax")
@dataclass(frozen=True)
class Softmax:
    """Output int8 with scale 1/256 and zero point -128: q + 128 is the probability in 256ths, at most 255.

    `beta` (positive) multiplies the input.
    """

    beta: float = 1.0
    arithmetic: Literal["integer", "float32"] = "integer"

    def infer(self, x: TensorType) -> tuple[TensorType, ...]:
        scaling.check_activation(x, "the input")
        if x.shape[-1] > _MOST_CLASSES:
            raise GraphError(f"softmax over {x.shape[-1]} classes is not supported (at most {_MOST_CLASSES})")
        if not 0 < self.beta < float("inf") or self.arithmetic not in ("integer", "float32"):
            raise GraphError(f"softmax with beta {self.beta} and arithmetic `{self.arithmetic}` is not supported")
        return (TensorType(x.shape, "int8", OUT),)

    def table(self, x: TensorType) -> np.ndarray:
        """By distance from the largest input; missing entries are 0."""
        if self.arithmetic == "float32":
            return float_exp_table(x.quant.scale, self.beta)
        return exp_table(x.quant.scale * self.beta)

    def reference(self, x: np.ndarray, *, types: tuple[TensorType, ...]) -> tuple:
        known = self.table(types[0])
        table = np.zeros(256, known.dtype if self.arithmetic == "float32" else np.int64)
        table[: len(known)] = known
        wide = x.astype(np.int64)
        weight = table[wide.max(axis=-1, keepdims=True) - wide]
        if self.arithmetic == "float32":
            return (_float_shares(weight),)
        total = weight.sum(axis=-1, keepdims=True)
        return ((np.minimum(255, (256 * weight + total // 2) // total) - 128).astype(np.int8),)

    def variants(self, isa: Isa, *x: TensorType) -> tuple[Variant, ...]:
        if self.arithmetic == "float32":
            return (Variant("softmax_s8_float32", "softmax_float32_s8.h"),)
        return (Variant("softmax_s8", "softmax_s8.h"),)

    def cost(self, v: Variant, *x: TensorType) -> Cost:
        classes = x[0].shape[-1]
        single = self.arithmetic == "float32"
        cycles = (timing.softmax_float32 if single else timing.softmax)(x[0].elements // classes, classes)
        return Cost(0, cycles, 300 if single else 120, self.table(x[0]).nbytes, 0)

    def overlap(self, v: Variant, *x: TensorType) -> tuple[Overlap | None, ...]:
        return (Overlap(0),)

    def rows_needed(self, out_rows: Range, *x: TensorType) -> tuple[Range, ...]:
        return (out_rows,)

    def pack(self, v: Variant, types: tuple[TensorType, ...], *c: Const) -> tuple[Packed, ...]:
        table = self.table(types[0])
        return (Packed("exp", table.view(np.uint32) if self.arithmetic == "float32" else table),)

    def kernel_c(self, v: Variant, w: CWriter, symbol: str) -> None:
        w.line(f"static TM_SEPARATE void {symbol}(const int8_t *x, int8_t *y, int32_t rows, int32_t classes,")
        entry = "uint32_t" if self.arithmetic == "float32" else "uint16_t"
        with w.block(f"    const {entry} *table, int32_t table_length)"):
            name = v.kernel_file.removesuffix(".h")
            w.line(f"tm_{name}(x, y, rows, classes, table, table_length);")

    def emit_c(self, v: Variant, w: CWriter, call: Call) -> None:
        kind = call.input_types[0]
        rows, classes = kind.elements // kind.shape[-1], kind.shape[-1]
        length = len(self.table(kind))
        w.line(f"{call.kernel}({call.inputs[0]}, {call.outputs[0]}, {rows}, {classes}, {call.consts[0]}, {length});")

    @classmethod
    def cases(cls) -> Iterable[Case]:
        for arithmetic in ("integer", "float32"):
            name = "softmax" if arithmetic == "integer" else "softmax_float32"
            for scale in (1e-4, 0.01, 0.1, 1.0, 30.0):
                quant = QuantParams((scale,), 11)
                kinds = {f"{c}_scale{scale}".replace(".", "_").replace("-", "m"): (TensorType((1, c), "int8", quant),)
                         for c in (1, 2, 3, 12, 100)}  # fmt: skip
                yield from golden.random_cases(name, cls(arithmetic=arithmetic), kinds)
                ends = {f"{name}_12_ends": (TensorType((1, 12), "int8", quant),)}
                yield from golden.plain_cases(f"softmax_{scale}".replace(".", "_"), cls(arithmetic=arithmetic), ends, (-128, 127))
            rows = TensorType((1, 3, 5), "int8", QuantParams((0.1,), 0))
            yield from golden.random_cases(name, cls(arithmetic=arithmetic), {"rows": (rows,)})
            yield from golden.random_cases(f"{name}_beta", cls(0.3, arithmetic), {"rows": (rows,)})


def _float_shares(weight: np.ndarray) -> np.ndarray:
    """int8 shares of float32 weights [..., classes], summed from the first class on as LiteRT does."""
    total = np.cumsum(weight, axis=-1, dtype=np.float32)[..., -1:]
    scaled = weight * (np.float32(1) / (total * np.float32(1 / 256)))
    return (np.minimum(np.floor(scaled.astype(np.float64) + 0.5), 255) - 128).astype(np.int8)
