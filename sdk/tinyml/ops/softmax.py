"""Softmax over the last axis as exact integers: probabilities in steps of 1/256.

With d = max(x) - x in 0..255 and T[d] = round(65535 * exp(-d * scale)), the output is
`min(255, (256 * T[d] + S // 2) // S) - 128` where S is the sum of T over the row. The table is computed in decimal
arithmetic, whose exp is correctly rounded everywhere, and cut off where it reaches 0.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Context, Decimal
from functools import lru_cache

import numpy as np

from tinyml.board import Isa
from tinyml.ir.cwriter import CWriter
from tinyml.ir.op import Call, Case, Cost, GraphError, Overlap, Packed, Range, Variant, operator
from tinyml.ir.tensor import Const, QuantParams, TensorType
from tinyml.ops import golden, scaling, timing

OUT = QuantParams((1 / 256,), -128)
_MOST_CLASSES = 2**16


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


@operator("softmax")
@dataclass(frozen=True)
class Softmax:
    """Output int8 with scale 1/256 and zero point -128: q + 128 is the probability in 256ths, at most 255."""

    def infer(self, x: TensorType) -> tuple[TensorType, ...]:
        scaling.check_activation(x, "the input")
        if x.shape[-1] > _MOST_CLASSES:
            raise GraphError(f"softmax over {x.shape[-1]} classes is not supported (at most {_MOST_CLASSES})")
        return (TensorType(x.shape, "int8", OUT),)

    def reference(self, x: np.ndarray, *, types: tuple[TensorType, ...]) -> tuple:
        table = np.zeros(256, np.int64)
        entries = exp_table(types[0].quant.scale)
        table[: len(entries)] = entries
        wide = x.astype(np.int64)
        weight = table[wide.max(axis=-1, keepdims=True) - wide]
        total = weight.sum(axis=-1, keepdims=True)
        return ((np.minimum(255, (256 * weight + total // 2) // total) - 128).astype(np.int8),)

    def variants(self, isa: Isa, *x: TensorType) -> tuple[Variant, ...]:
        return (Variant("softmax_s8", "softmax_s8.h"),)

    def cost(self, v: Variant, *x: TensorType) -> Cost:
        classes = x[0].shape[-1]
        cycles = timing.softmax(x[0].elements // classes, classes)
        return Cost(0, cycles, 120, 2 * len(exp_table(x[0].quant.scale)), 0)

    def overlap(self, v: Variant, *x: TensorType) -> tuple[Overlap | None, ...]:
        return (Overlap(0),)

    def rows_needed(self, out_rows: Range, *x: TensorType) -> tuple[Range, ...]:
        return (out_rows,)

    def pack(self, v: Variant, types: tuple[TensorType, ...], *c: Const) -> tuple[Packed, ...]:
        return (Packed("exp", exp_table(types[0].quant.scale)),)

    def kernel_c(self, v: Variant, w: CWriter, symbol: str) -> None:
        w.line(f"static TM_SEPARATE void {symbol}(const int8_t *x, int8_t *y, int32_t rows, int32_t classes,")
        with w.block("    const uint16_t *table, int32_t table_length)"):
            w.line("tm_softmax_s8(x, y, rows, classes, table, table_length);")

    def emit_c(self, v: Variant, w: CWriter, call: Call) -> None:
        kind = call.input_types[0]
        rows, classes = kind.elements // kind.shape[-1], kind.shape[-1]
        length = len(exp_table(kind.quant.scale))
        w.line(f"{call.kernel}({call.inputs[0]}, {call.outputs[0]}, {rows}, {classes}, {call.consts[0]}, {length});")

    @classmethod
    def cases(cls) -> Iterable[Case]:
        for scale in (1e-4, 0.01, 0.1, 1.0, 30.0):
            quant = QuantParams((scale,), 11)
            kinds = {f"{c}_scale{scale}".replace(".", "_").replace("-", "m"): (TensorType((1, c), "int8", quant),)
                     for c in (1, 2, 12, 100)}  # fmt: skip
            yield from golden.plain_cases("softmax", cls(), kinds)
        rows = TensorType((1, 3, 5), "int8", QuantParams((0.1,), 0))
        yield from golden.plain_cases("softmax", cls(), {"rows": (rows,)})
