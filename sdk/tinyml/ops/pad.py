"""Padding of any axis but the batch with a constant."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from tinyml.board import Isa
from tinyml.ir.cwriter import CWriter
from tinyml.ir.op import Call, Case, Cost, GraphError, Range, Variant, operator
from tinyml.ir.tensor import TensorType
from tinyml.ops import golden, scaling, timing
from tinyml.ops.moving import Mover, check_movable
from tinyml.ops.timing import Work

Pairs = tuple[tuple[int, int], ...]


@operator("pad")
@dataclass(frozen=True)
class Pad(Mover):
    """`padding` is (before, after) for every axis; `value` is the int8 that fills, the zero point if None."""

    padding: Pairs
    value: int | None = None

    def infer(self, x: TensorType) -> tuple[TensorType, ...]:
        scaling.check_activation(x, "the input")
        check_movable(x, "padding of an input")
        flat = [n for pair in self.padding for n in pair]
        if len(self.padding) != len(x.shape) or self.padding[0] != (0, 0) or min(flat) < 0 or max(flat) > 2**15:
            raise GraphError(f"an input of shape {list(x.shape)} cannot be padded by {self.padding}")
        if self.value is not None and not -128 <= self.value <= 127:
            raise GraphError(f"padding with {self.value} is outside int8")
        shape = tuple(n + before + after for n, (before, after) in zip(x.shape, self.padding, strict=True))
        return (TensorType(shape, x.dtype, x.quant),)

    def fill(self, x: TensorType) -> int:
        return x.quant.zero_point if self.value is None else self.value

    def reference(self, x: np.ndarray, *, types: tuple[TensorType, ...]) -> tuple:
        return (np.pad(x, self.padding, constant_values=self.fill(types[0])),)

    def loops(self, x: TensorType) -> tuple[tuple[int, int, int], ...]:
        """(before, inside, after) of rows, pixels and channels; without padded channels the inner two are merged."""
        sizes = (1,) * (4 - len(x.shape)) + x.shape
        pairs = ((0, 0),) * (4 - len(x.shape)) + self.padding
        rows, pixels, channels = ((b, n, a) for n, (b, a) in zip(sizes[1:], pairs[1:], strict=True))
        if channels[0] == channels[2] == 0:
            pixels, channels = (0, 1, 0), tuple(n * sizes[3] for n in pixels)
        return rows, pixels, channels

    def variants(self, isa: Isa, *x: TensorType) -> tuple[Variant, ...]:
        return (Variant("pad_s8", "pad_s8.h"),)

    def cost(self, v: Variant, *x: TensorType) -> Cost:
        return Cost(0, self.work(v, *x).cycles, 0, 0)

    def work(self, v: Variant, *x: TensorType) -> Work:
        (out,), (rows, pixels, _) = self.infer(*x), self.loops(x[0])
        return timing.pad(v.name, rows[1], pixels[1], x[0].elements, out.elements - x[0].elements)

    def rows_needed(self, out_rows: Range, *x: TensorType) -> tuple[Range, ...]:
        height, above = (x[0].shape[-3], self.padding[-3][0]) if len(x[0].shape) > 2 else (1, 0)
        start = min(max(out_rows.start - above, 0), height)
        return (Range(start, max(start, min(out_rows.stop - above, height))),)

    def kernel_c(self, v: Variant, w: CWriter, symbol: str) -> None:
        w.line(f"static TM_SEPARATE TM_SMALL void {symbol}(const int8_t *x, int8_t *y,")
        with w.block("    const tm_padding *padding)"):
            w.line("tm_pad_s8(x, y, padding);")

    def emit_c(self, v: Variant, w: CWriter, call: Call) -> None:
        kind = call.input_types[0]
        loops = ", ".join("{" + ", ".join(map(str, loop)) + "}" for loop in self.loops(kind))
        w.line(f"static const tm_padding padding = {{{loops}, {self.fill(kind)}}};")
        w.line(f"{call.kernel}({call.inputs[0]}, {call.outputs[0]}, &padding);")

    @classmethod
    def cases(cls) -> Iterable[Case]:
        for channels in (1, 2, 3, 5, 7):
            kinds = {f"c{channels}": (golden.activation((1, 3, 2, channels), 127 if channels % 2 else -128),)}
            yield from golden.random_cases("pad_all", cls(((0, 0), (1, 2), (3, 1), (2, 4)), -7), kinds)
            yield from golden.random_cases("pad_image", cls(((0, 0), (1, 0), (0, 2), (0, 0))), kinds)
        one = {"1x1": (golden.activation((1, 1, 1, 1), 127),)}
        for index, side in enumerate(("top", "bottom", "left", "right")):
            sides = [int(i == index) for i in range(4)]
            op = cls(((0, 0), tuple(sides[:2]), tuple(sides[2:]), (0, 0)))
            yield from golden.random_cases(f"pad_{side}", op, one)
        yield from golden.random_cases("pad_nothing", cls(((0, 0),) * 4), one)
        yield from golden.random_cases("pad_flat", cls(((0, 0), (2, 3)), 5), {"flat": (golden.activation((1, 4)),)})
