"""Resizing of images, nearest and bilinear, with LiteRT's choice of cells and its rounding.

Which rows and columns an output reads, and with which weights, is computed here and packed as tables.

Source: LiteRT internal/reference/resize_nearest_neighbor.h and resize_bilinear.h.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from tinyml.board import Isa
from tinyml.ir.cwriter import CWriter
from tinyml.ir.op import Call, Case, Cost, GraphError, Packed, Range, Variant, operator
from tinyml.ir.tensor import Const, TensorType
from tinyml.ops import golden, scaling, timing
from tinyml.ops.moving import Mover
from tinyml.ops.timing import Work

_MOST = 2**13
_ONE = 1024  # the bilinear weights' unit


@dataclass(frozen=True)
class _Resize(Mover):
    """`size` is (height, width) of the output."""

    size: tuple[int, int]
    align_corners: bool = False
    half_pixel_centers: bool = False

    def infer(self, x: TensorType) -> tuple[TensorType, ...]:
        scaling.check_activation(x, "the input")
        valid = len(x.shape) == 4 and x.shape[0] == 1 and len(self.size) == 2
        if not valid or min(*x.shape, *self.size) < 1 or max(*x.shape, *self.size) > _MOST:
            raise GraphError(f"an input of shape {list(x.shape)} cannot be resized to {list(self.size)}")
        if self.align_corners and self.half_pixel_centers:
            raise GraphError("align_corners and half_pixel_centers exclude each other")
        return (TensorType((1, *self.size, x.shape[3]), "int8", x.quant),)

    def axes(self, x: TensorType) -> tuple[np.ndarray, np.ndarray]:
        """The tables of rows and columns: see `_axis`."""
        return tuple(self._axis(x.shape[1 + i], self.size[i]) for i in range(2))

    def pack(self, v: Variant, types: tuple[TensorType, ...], *c: Const) -> tuple[Packed, ...]:
        rows, columns = self.axes(types[0])
        return (Packed("rows", rows.astype(np.int16)), Packed("columns", columns.astype(np.int16)))

    def kernel_c(self, v: Variant, w: CWriter, symbol: str) -> None:
        w.line(f"static TM_SEPARATE void {symbol}(const int8_t *x, int8_t *y, const tm_resize *r,")
        with w.block("    const int16_t *rows, const int16_t *columns)"):
            w.line(f"tm_{v.name}(x, y, r, rows, columns);")

    def emit_c(self, v: Variant, w: CWriter, call: Call) -> None:
        _, _, width, channels = call.input_types[0].shape
        w.line(f"static const tm_resize resize = {{{width}, {channels}, {self.size[0]}, {self.size[1]}}};")
        w.line(f"{call.kernel}({call.inputs[0]}, {call.outputs[0]}, &resize, {call.consts[0]}, {call.consts[1]});")

    @classmethod
    def cases(cls) -> Iterable[Case]:
        modes = {"plain": (False, False), "corners": (True, False), "centers": (False, True)}
        sizes = {"up": ((3, 4), (7, 9)), "double": ((3, 5), (6, 10)), "down": ((9, 7), (4, 3)),
                 "same": ((4, 4), (4, 4)), "from_one": ((1, 1), (3, 2)), "to_one": ((5, 4), (1, 1))}  # fmt: skip
        for mode, flags in modes.items():
            for index, (name, (before, after)) in enumerate(sizes.items()):
                kind = golden.activation((1, *before, (1, 2, 3, 5, 7, 4)[index]), 127)
                yield from golden.random_cases(f"{cls.ir_name}_{mode}", cls(after, *flags), {name: (kind,)})


@operator("resize_nearest")
@dataclass(frozen=True)
class ResizeNearest(_Resize):
    """Copies the nearest pixel."""

    def _axis(self, before: int, after: int) -> np.ndarray:
        """The cell that each output cell copies."""
        corners = self.align_corners and after > 1
        scale = np.float32(before - 1) / np.float32(after - 1) if corners else np.float32(before) / np.float32(after)
        place = (np.arange(after, dtype=np.float32) + np.float32(0.5 if self.half_pixel_centers else 0)) * scale
        cell = np.floor(place.astype(np.float64) + 0.5) if self.align_corners else np.floor(place)
        return np.clip(cell.astype(np.int64), 0, before - 1)

    def reference(self, x: np.ndarray, *, types: tuple[TensorType, ...]) -> tuple:
        rows, columns = self.axes(types[0])
        return (x[:, rows][:, :, columns],)

    def variants(self, isa: Isa, *x: TensorType) -> tuple[Variant, ...]:
        return (Variant("resize_nearest_s8", "resize_s8.h"),)

    def cost(self, v: Variant, *x: TensorType) -> Cost:
        return Cost(0, self.work(v, *x).cycles, 2 * sum(self.size), 0)

    def work(self, v: Variant, *x: TensorType) -> Work:
        return timing.resize(v.name, *self.size, x[0].shape[3])

    def rows_needed(self, out_rows: Range, *x: TensorType) -> tuple[Range, ...]:
        rows = self.axes(x[0])[0][out_rows.start : out_rows.stop]
        return (Range(int(rows.min()), int(rows.max()) + 1),)


@operator("resize_bilinear")
@dataclass(frozen=True)
class ResizeBilinear(_Resize):
    """Interpolates four pixels with weights in 1024ths, rounded half away from zero.

    `exact` rounds each place by itself; LiteRT takes multiples of a rounded step, which drift away.
    """

    exact: bool = False

    def infer(self, x: TensorType) -> tuple[TensorType, ...]:
        inferred = super().infer(x)
        for table, size in zip(self.axes(x), x.shape[1:3], strict=True):
            if table[:, 0].max() >= size:
                raise GraphError(f"resizing {list(x.shape[1:3])} to {list(self.size)} reads behind the edge",
                                 hint="LiteRT's table is inexact at this ratio: choose another size")  # fmt: skip
        return inferred

    def _axis(self, before: int, after: int) -> np.ndarray:
        """(lower cell, upper cell, weight of the upper) of each output cell."""
        scale = (_ONE * before + after // 2) // after
        if self.align_corners and after > 1:
            scale = (_ONE * (before - 1) + (after - 1) // 2) // (after - 1)
        place = np.arange(after) * scale + (scale // 2 - _ONE // 2 if self.half_pixel_centers else 0)
        if self.exact:
            place = self._rounded_places(before, after)
        lower = np.maximum(np.fix(place / _ONE).astype(np.int64), 0)
        upper = np.minimum(np.fix((place + _ONE - 1) / _ONE).astype(np.int64), before - 1)
        return np.stack([lower, upper, place - _ONE * lower], axis=1)

    def _rounded_places(self, before: int, after: int) -> np.ndarray:
        """Of the output cells in the input, in 1024ths, within the input."""
        half = 0.5 if self.half_pixel_centers else 0.0
        step = (before - 1) / (after - 1) if self.align_corners and after > 1 else before / after
        places = np.rint(_ONE * ((np.arange(after) + half) * step - half)).astype(np.int64)
        return np.clip(places, 0, _ONE * (before - 1))

    def reference(self, x: np.ndarray, *, types: tuple[TensorType, ...]) -> tuple:
        rows, columns = self.axes(types[0])
        wide, (fy, fx) = x.astype(np.int64), (rows[:, 2, None, None], columns[:, 2, None])
        upper, lower = (w[:, :, columns[:, 0]] * (_ONE - fx) + w[:, :, columns[:, 1]] * fx
                        for w in (wide[:, rows[:, 0]], wide[:, rows[:, 1]]))  # fmt: skip
        total = upper * (_ONE - fy) + lower * fy
        return ((np.sign(total) * ((np.abs(total) + (1 << 19)) >> 20)).astype(np.int8),)

    def variants(self, isa: Isa, *x: TensorType) -> tuple[Variant, ...]:
        return (Variant("resize_bilinear_s8", "resize_s8.h"),)

    def cost(self, v: Variant, *x: TensorType) -> Cost:
        return Cost(0, self.work(v, *x).cycles, 6 * sum(self.size), 0)

    def work(self, v: Variant, *x: TensorType) -> Work:
        return timing.resize(v.name, *self.size, x[0].shape[3])

    def rows_needed(self, out_rows: Range, *x: TensorType) -> tuple[Range, ...]:
        rows = self.axes(x[0])[0][out_rows.start : out_rows.stop]
        return (Range(int(rows[:, 0].min()), int(rows[:, :2].max()) + 1),)

    @classmethod
    def cases(cls) -> Iterable[Case]:
        yield from super().cases()
        for mode in ((False, False), (True, False), (False, True)):
            kind = golden.activation((1, 5, 7, 3), -128)
            yield from golden.random_cases(f"resize_exact_{'_'.join(map(str, map(int, mode)))}",
                                           cls((13, 20), *mode, True), {"drift": (kind,)})  # fmt: skip
