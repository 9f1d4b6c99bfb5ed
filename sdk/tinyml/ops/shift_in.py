"""State of a streamed network: the newest rows of a tensor, and how many frames have come."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from tinyml.board import Isa
from tinyml.ir.cwriter import CWriter
from tinyml.ir.op import Call, Case, Cost, GraphError, Overlap, Packed, Range, Variant, operator
from tinyml.ir.tensor import Const, TensorType
from tinyml.ops import golden, timing
from tinyml.ops.timing import Work

Types = tuple[TensorType, ...]
KERNELS = "shift_in_s8.h"


class _InPlace:
    """What operators share whose output is their first input, changed."""

    def overlap(self, v: Variant, *x: TensorType) -> tuple[Overlap | None, ...]:
        return (None,) * len(x)

    def rows_needed(self, out_rows: Range, *x: TensorType) -> tuple[Range, ...]:
        return tuple(Range(0, t.shape[1] if len(t.shape) > 1 else 1) for t in x)

    def pack(self, v: Variant, types: Types, *c: Const) -> tuple[Packed, ...]:
        return ()


@operator("shift_in")
@dataclass(frozen=True)
class ShiftIn(_InPlace):
    """history [1, R, ...] and row [1, 1, ...] to history without its first row and with the new one at its end."""

    def infer(self, history: TensorType, row: TensorType) -> tuple[TensorType, ...]:
        if (history.dtype, history.quant) != (row.dtype, row.quant):
            raise GraphError("a history and its rows must have one type")
        if len(history.shape) < 2 or row.shape != (1, 1, *history.shape[2:]):
            raise GraphError(f"a row of shape {list(row.shape)} does not belong into {list(history.shape)}")
        return (history,)

    def reference(self, history: np.ndarray, row: np.ndarray, *, types: Types) -> tuple:
        return (np.concatenate([history[:, 1:], row], axis=1),)

    def variants(self, isa: Isa, *x: TensorType) -> tuple[Variant, ...]:
        return (Variant("shift_in_s8", KERNELS, in_place=True),)

    def cost(self, v: Variant, *x: TensorType) -> Cost:
        return Cost(0, self.work(v, *x).cycles, 0, 0)

    def work(self, v: Variant, *x: TensorType) -> Work:
        return timing.shift_in(v.name, x[0].size_bytes, x[1].size_bytes)

    def kernel_c(self, v: Variant, w: CWriter, symbol: str) -> None:
        head = f"static TM_SEPARATE void {symbol}(int8_t *history, const int8_t *row, int32_t bytes, int32_t row_bytes)"
        with w.block(head):
            w.line("tm_shift_in_s8(history, row, bytes, row_bytes);")

    def emit_c(self, v: Variant, w: CWriter, call: Call) -> None:
        history, row = call.input_types
        w.line(f"{call.kernel}({call.outputs[0]}, {call.inputs[1]}, {history.size_bytes}, {row.size_bytes});")

    @classmethod
    def cases(cls) -> Iterable[Case]:
        kinds = {}
        for rows, width, channels in ((1, 1, 1), (2, 1, 4), (3, 1, 5), (15, 1, 8), (4, 3, 3)):
            history, row = (golden.activation((1, r, width, channels)) for r in (rows, 1))
            kinds[f"{rows}x{width}x{channels}"] = (history, row)
        yield from golden.plain_cases("shift_in", cls(), kinds)


@operator("count_up")
@dataclass(frozen=True)
class CountUp(_InPlace):
    """int32 [1] plus one, up to `most`."""

    most: int

    def infer(self, count: TensorType) -> tuple[TensorType, ...]:
        if (count.dtype, count.shape) != ("int32", (1,)) or not 0 < self.most < 2**31 - 1:
            raise GraphError(f"counting to {self.most} needs an int32 [1], not {count}")
        return (count,)

    def reference(self, count: np.ndarray, *, types: Types) -> tuple:
        return (np.minimum(count.astype(np.int64) + 1, self.most).astype(np.int32),)

    def variants(self, isa: Isa, *x: TensorType) -> tuple[Variant, ...]:
        return (Variant("count_up", KERNELS, in_place=True),)

    def cost(self, v: Variant, *x: TensorType) -> Cost:
        return Cost(0, self.work(v, *x).cycles, 0, 0)

    def work(self, v: Variant, *x: TensorType) -> Work:
        return timing.constant(v.name)

    def kernel_c(self, v: Variant, w: CWriter, symbol: str) -> None:
        with w.block(f"static TM_SEPARATE void {symbol}(int32_t *count, int32_t most)"):
            w.line("*count += *count < most ? 1 : 0;")

    def emit_c(self, v: Variant, w: CWriter, call: Call) -> None:
        w.line(f"{call.kernel}({call.outputs[0]}, {self.most});")

    @classmethod
    def cases(cls) -> Iterable[Case]:
        kind = TensorType((1,), "int32")
        for count in (0, 6, 7):
            yield Case(f"count_up_from_{count}", cls(7), (np.array([count], np.int32),), (kind,))
