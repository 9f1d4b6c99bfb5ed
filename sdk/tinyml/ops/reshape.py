"""Reshape: the same bytes under another shape. It needs no code: input and output share their memory."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import prod

import numpy as np

from tinyml.board import Isa
from tinyml.ir.cwriter import CWriter
from tinyml.ir.op import Call, Case, Cost, GraphError, Overlap, Packed, Range, Variant, operator
from tinyml.ir.tensor import Const, TensorType
from tinyml.ops import golden


@operator("reshape")
@dataclass(frozen=True)
class Reshape:
    """`shape` is complete (no -1) and starts with the batch of 1."""

    shape: tuple[int, ...]

    def infer(self, x: TensorType) -> tuple[TensorType, ...]:
        if prod(self.shape) != x.elements or self.shape[:1] != (1,):
            raise GraphError(f"an input of shape {list(x.shape)} cannot be reshaped to {list(self.shape)}")
        return (TensorType(self.shape, x.dtype, x.quant),)

    def reference(self, x: np.ndarray, *, types: tuple[TensorType, ...]) -> tuple:
        return (x.reshape(x.shape[0], *self.shape[1:]),)

    def variants(self, isa: Isa, *x: TensorType) -> tuple[Variant, ...]:
        return (Variant("alias", ""),)

    def cost(self, v: Variant, *x: TensorType) -> Cost:
        return Cost(0, 0, 0, 0)

    def overlap(self, v: Variant, *x: TensorType) -> tuple[Overlap | None, ...]:
        return (Overlap(0, exact=True),)

    def rows_needed(self, out_rows: Range, *x: TensorType) -> tuple[Range, ...]:
        return (Range(0, x[0].shape[1] if len(x[0].shape) > 2 else x[0].shape[0]),)

    def pack(self, v: Variant, types: tuple[TensorType, ...], *c: Const) -> tuple[Packed, ...]:
        return ()

    def kernel_c(self, v: Variant, w: CWriter, symbol: str) -> None:
        """No code."""

    def emit_c(self, v: Variant, w: CWriter, call: Call) -> None:
        """No code."""

    @classmethod
    def cases(cls) -> Iterable[Case]:
        yield from golden.plain_cases("reshape", cls((1, 12)), {"flat": (golden.activation((1, 2, 3, 2)),)})
