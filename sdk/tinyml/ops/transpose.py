"""Transposition of axes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from tinyml.ir.op import Case, GraphError, Range, operator
from tinyml.ir.tensor import TensorType
from tinyml.ops import golden
from tinyml.ops.gather import Gather, Walk
from tinyml.ops.moving import check_movable, strides_of


@operator("transpose")
@dataclass(frozen=True)
class Transpose(Gather):
    """Axis i of the output is axis `axes[i]` of the input; the batch stays in front."""

    axes: tuple[int, ...]

    def infer(self, x: TensorType) -> tuple[TensorType, ...]:
        check_movable(x, "a transposition of an input")
        if sorted(self.axes) != list(range(len(x.shape))) or self.axes[0] != 0:
            raise GraphError(f"an input of shape {list(x.shape)} cannot be transposed to axes {list(self.axes)}")
        return (TensorType(tuple(x.shape[a] for a in self.axes), x.dtype, x.quant),)

    def walk(self, x: TensorType) -> Walk:
        strides = strides_of(x.shape)
        return Walk.of(0, tuple(x.shape[a] for a in self.axes), tuple(strides[a] for a in self.axes))

    def reference(self, x: np.ndarray, *, types: tuple[TensorType, ...]) -> tuple:
        return (np.ascontiguousarray(x.transpose(self.axes)),)

    def rows_needed(self, out_rows: Range, *x: TensorType) -> tuple[Range, ...]:
        row_axis = len(self.axes) - 3
        if row_axis >= 0 and self.axes[row_axis] == row_axis:
            return (out_rows,)
        return (Range(0, x[0].shape[row_axis] if row_axis >= 0 else 1),)

    @classmethod
    def cases(cls) -> Iterable[Case]:
        kind = golden.activation((1, 3, 5, 2))
        for axes in ((0, 3, 1, 2), (0, 2, 3, 1), (0, 2, 1, 3), (0, 1, 3, 2), (0, 3, 2, 1), (0, 1, 2, 3)):
            yield from golden.random_cases(f"transpose_{''.join(map(str, axes))}", cls(axes), {"odd": (kind,)})
        yield from golden.random_cases("transpose_021", cls((0, 2, 1)), {"flat": (golden.activation((1, 4, 7)),)})
        yield from golden.random_cases("transpose_1x1", cls((0, 3, 1, 2)), {"one": (golden.activation((1, 1, 1, 1)),)})
