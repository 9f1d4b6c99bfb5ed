"""Concatenation along one axis."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import prod

import numpy as np

from tinyml.board import Isa
from tinyml.ir.cwriter import CWriter
from tinyml.ir.op import Call, Case, Cost, GraphError, Overlap, Range, Variant, operator
from tinyml.ir.tensor import TensorType
from tinyml.ops import golden, timing
from tinyml.ops.moving import Mover, check_movable
from tinyml.ops.timing import Work


@operator("concat")
@dataclass(frozen=True)
class Concat(Mover):
    """All inputs have one quantisation, as LiteRT asks of int8 tensors; `axis` is not the batch."""

    axis: int

    def infer(self, *x: TensorType) -> tuple[TensorType, ...]:
        for kind in x:
            check_movable(kind, "a concatenation of an input")
        shapes = [list(kind.shape) for kind in x]
        if not x or not 0 < self.axis < len(shapes[0]) or len({kind.quant for kind in x}) != 1:
            raise GraphError(f"inputs of shapes {shapes} cannot be joined along axis {self.axis} in one quantisation",
                             hint="requantise the inputs to the output's scale and zero point")  # fmt: skip
        rest = {(len(s), *s[: self.axis], *s[self.axis + 1 :]) for s in shapes}
        if len(rest) != 1:
            raise GraphError(f"inputs of shapes {shapes} cannot be joined along axis {self.axis}")
        size = sum(s[self.axis] for s in shapes)
        shape = (*shapes[0][: self.axis], size, *shapes[0][self.axis + 1 :])
        return (TensorType(shape, "int8", x[0].quant),)

    def blocks(self, *x: TensorType) -> tuple[int, list[int]]:
        """(number of blocks, bytes of a block of each input): the output holds them in turn."""
        return prod(x[0].shape[: self.axis]), [prod(kind.shape[self.axis :]) for kind in x]

    def reference(self, *x: np.ndarray, types: tuple[TensorType, ...]) -> tuple:
        return (np.concatenate(x, axis=self.axis),)

    def variants(self, isa: Isa, *x: TensorType) -> tuple[Variant, ...]:
        return (Variant("concat_s8", "concat_s8.h"),)

    def cost(self, v: Variant, *x: TensorType) -> Cost:
        return Cost(0, self.work(v, *x).cycles, 0, 0)

    def work(self, v: Variant, *x: TensorType) -> Work:
        count, sizes = self.blocks(*x)
        return timing.runs(v.name, count * len(x), count * sum(sizes))

    def overlap(self, v: Variant, *x: TensorType) -> tuple[Overlap | None, ...]:
        count, sizes = self.blocks(*x)
        if count > 1:
            return (None,) * len(x)
        # An input that lies where it ends up is copied onto itself.
        return tuple(Overlap(sum(sizes[:i]), exact=True) for i in range(len(x)))

    def rows_needed(self, out_rows: Range, *x: TensorType) -> tuple[Range, ...]:
        rank, needed, start = len(x[0].shape), [], 0
        for kind in x:
            height = kind.shape[-3] if rank > 2 else 1
            if rank > 2 and self.axis == rank - 3:
                first = min(max(out_rows.start - start, 0), height)
                needed.append(Range(first, max(first, min(out_rows.stop - start, height))))
                start += height
            else:
                needed.append(out_rows)
        return tuple(needed)

    def kernel_c(self, v: Variant, w: CWriter, symbol: str) -> None:
        w.line(f"static TM_SEPARATE void {symbol}(const int8_t *x, int8_t *y, int32_t blocks, int32_t size,")
        with w.block("    int32_t step)"):
            w.line("tm_concat_s8(x, y, blocks, size, step);")

    def emit_c(self, v: Variant, w: CWriter, call: Call) -> None:
        count, sizes = self.blocks(*call.input_types)
        start = 0
        for pointer, size in zip(call.inputs, sizes, strict=True):
            w.line(f"{call.kernel}({pointer}, {call.outputs[0]} + {start}, {count}, {size}, {sum(sizes)});")
            start += size

    @classmethod
    def cases(cls) -> Iterable[Case]:
        for axis in (1, 2, 3):
            shapes = [[1, 3, 4, 5] for _ in range(3)]
            for i, shape in enumerate(shapes):
                shape[axis] = 2 * i + 1
            kinds = {"three": tuple(golden.activation(tuple(s)) for s in shapes)}
            yield from golden.random_cases(f"concat_axis{axis}", cls(axis), kinds)
        flat = {"flat": (golden.activation((1, 1)), golden.activation((1, 7)))}
        yield from golden.random_cases("concat", cls(1), flat)
        yield from golden.random_cases("concat_single", cls(3), {"one": (golden.activation((1, 1, 1, 1)),)})
