"""Slices with strides of either sign: parts of a tensor, and what splits are made of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from tinyml.ir.op import Case, GraphError, Range, operator
from tinyml.ir.tensor import TensorType
from tinyml.ops import golden
from tinyml.ops.gather import Gather, Walk
from tinyml.ops.moving import check_movable, strides_of


@operator("slice")
@dataclass(frozen=True)
class Slice(Gather):
    """Index i of each output axis is index `begin + i * stride` of the input's; `shape` is the output's."""

    begin: tuple[int, ...]
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def infer(self, x: TensorType) -> tuple[TensorType, ...]:
        check_movable(x, "a slice of an input")
        parts = list(zip(self.begin, self.shape, self.strides, strict=False))
        if not len(self.begin) == len(self.shape) == len(self.strides) == len(x.shape) or self.shape[0] != 1:
            raise GraphError(f"the slice from {self.begin} of shape {self.shape} does not fit axes {list(x.shape)}")
        for size, (begin, count, stride) in zip(x.shape, parts, strict=True):
            if count < 1 or stride == 0 or not 0 <= begin < size or not 0 <= begin + (count - 1) * stride < size:
                raise GraphError(f"the slice from {begin} in {count} steps of {stride} leaves an axis of size {size}")
        return (TensorType(self.shape, x.dtype, x.quant),)

    def walk(self, x: TensorType) -> Walk:
        strides = strides_of(x.shape)
        start = sum(b * s for b, s in zip(self.begin, strides, strict=True))
        return Walk.of(start, self.shape, tuple(s * t for s, t in zip(strides, self.strides, strict=True)))

    def reference(self, x: np.ndarray, *, types: tuple[TensorType, ...]) -> tuple:
        for axis in range(1, x.ndim):
            index = self.begin[axis] + np.arange(self.shape[axis]) * self.strides[axis]
            x = np.take(x, index, axis=axis)
        return (x,)

    def rows_needed(self, out_rows: Range, *x: TensorType) -> tuple[Range, ...]:
        axis = len(self.shape) - 3
        if axis < 1:
            return (Range(0, x[0].shape[axis] if axis >= 0 else 1),)
        ends = [self.begin[axis] + i * self.strides[axis] for i in (out_rows.start, out_rows.stop - 1)]
        return (Range(min(ends), max(ends) + 1),)

    @classmethod
    def cases(cls) -> Iterable[Case]:
        kinds = {"odd": (golden.activation((1, 5, 6, 7)),)}
        yield from golden.random_cases("slice_all", cls((0, 0, 0, 0), (1, 5, 6, 7), (1, 1, 1, 1)), kinds)
        yield from golden.random_cases("slice_rows", cls((0, 1, 0, 0), (1, 3, 6, 7), (1, 1, 1, 1)), kinds)
        yield from golden.random_cases("slice_channels", cls((0, 0, 0, 4), (1, 5, 6, 3), (1, 1, 1, 1)), kinds)
        yield from golden.random_cases("slice_strided", cls((0, 1, 0, 2), (1, 2, 3, 2), (1, 2, 2, 3)), kinds)
        yield from golden.random_cases("slice_reversed", cls((0, 4, 5, 6), (1, 5, 2, 7), (1, -1, -3, -1)), kinds)
        yield from golden.random_cases("slice_one", cls((0, 2, 3, 1), (1, 1, 1, 1), (1, 1, 1, 1)), kinds)
        yield from golden.random_cases(
            "slice_flat", cls((0, 3), (1, 4), (1, 2)), {"flat": (golden.activation((1, 11)),)}
        )
