"""Average pooling over [1, H, W, C]; the output keeps the input's quantisation."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from tinyml.board import Isa
from tinyml.ir.op import Case, Cost, GraphError, Variant, operator
from tinyml.ir.tensor import TensorType
from tinyml.ops import golden, timing
from tinyml.ops.pooling import Pooling
from tinyml.ops.timing import Work

PORTABLE = "average_pool2d_s8.h"
DSP = "average_pool2d_s8_dsp.h"
_MOST_HALVES = 255  # bytes whose sum fits a half word


def rounded_mean(total: np.ndarray, count: np.ndarray | int) -> np.ndarray:
    """`total / count` rounded half away from zero, for integer arrays and count > 0."""
    return np.sign(total) * ((np.abs(total) + np.asarray(count) // 2) // count)


@operator("average_pool2d")
@dataclass(frozen=True)
class AveragePool2d(Pooling):
    """The mean is rounded half away from zero."""

    def infer(self, x: TensorType) -> tuple[TensorType, ...]:
        if self.kernel[0] * self.kernel[1] > 2**20:
            raise GraphError(f"a pooling window of {self.kernel} is too large for 32-bit sums")
        return super().infer(x)

    def reference(self, x: np.ndarray, *, types: tuple[TensorType, ...]) -> tuple:
        w = self.window(types[0])
        inside = w.padded(np.ones((1, w.in_h, w.in_w, 1), np.int8), 0)
        total = sum(tap.astype(np.int64) for _, _, tap in w.shifted(w.padded(x, 0)))
        count = sum(tap.astype(np.int64) for _, _, tap in w.shifted(inside))
        return (np.clip(rounded_mean(total, count), self.act_min, self.act_max).astype(np.int8),)

    def variants(self, isa: Isa, *x: TensorType) -> tuple[Variant, ...]:
        if isa.dsp and x[0].shape[-1] >= 4 and self.kernel[0] * self.kernel[1] <= _MOST_HALVES:
            return (Variant("average_pool2d_s8_dsp", DSP),)
        return (Variant("average_pool2d_s8", PORTABLE),)

    def cost(self, v: Variant, *x: TensorType) -> Cost:
        return Cost(0, self.work(v, *x).cycles, 0, 0)

    def work(self, v: Variant, *x: TensorType) -> Work:
        return timing.pool(v.name, self.window(x[0]), v.kernel_file == DSP)

    @classmethod
    def cases(cls) -> Iterable[Case]:
        sizes = {"1x1": (1, 1, 1, 1), "odd": (1, 5, 6, 3), "wide": (1, 3, 7, 5), "c2": (1, 4, 5, 2), "c4": (1, 4, 4, 4),
                 "c7": (1, 6, 3, 7)}  # fmt: skip
        kinds = {name: (golden.activation(shape, 127),) for name, shape in sizes.items()}
        yield from golden.plain_cases("average_pool_1x1", cls((1, 1), (1, 1)), kinds)
        del kinds["1x1"]
        yield from golden.plain_cases("average_pool_2x2", cls((2, 2), (2, 2)), kinds)
        yield from golden.plain_cases("average_pool_3x3_padded", cls((3, 3), (1, 2), (1, 2, 2, 1)), kinds)
        yield from golden.plain_cases("average_pool_past_edge", cls((2, 3), (3, 4), (1, 0, 0, 1), -100, 100), kinds)
