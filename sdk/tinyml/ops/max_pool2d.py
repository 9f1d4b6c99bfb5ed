"""Max pooling over [1, H, W, C]; the output keeps the input's quantisation."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from tinyml.board import Isa
from tinyml.ir.op import Case, Cost, Variant, operator
from tinyml.ir.tensor import TensorType
from tinyml.ops import golden, timing
from tinyml.ops.pooling import Pooling
from tinyml.ops.timing import Work

PORTABLE = "max_pool2d_s8.h"
DSP = "max_pool2d_s8_dsp.h"


@operator("max_pool2d")
@dataclass(frozen=True)
class MaxPool2d(Pooling):
    """The largest of each window."""

    def reference(self, x: np.ndarray, *, types: tuple[TensorType, ...]) -> tuple:
        w = self.window(types[0])
        taps = [tap for _, _, tap in w.shifted(w.padded(x, -128))]
        return (np.clip(np.maximum.reduce(taps), self.act_min, self.act_max),)

    def variants(self, isa: Isa, *x: TensorType) -> tuple[Variant, ...]:
        if isa.dsp and x[0].shape[-1] >= 4:
            clamped = "" if (self.act_min, self.act_max) == (-128, 127) else "_clamped"
            return (Variant(f"max_pool2d_s8_dsp{clamped}", DSP),)
        return (Variant("max_pool2d_s8", PORTABLE),)

    def cost(self, v: Variant, *x: TensorType) -> Cost:
        return Cost(0, self.work(v, *x).cycles, 0, 0)

    def work(self, v: Variant, *x: TensorType) -> Work:
        return timing.pool(v.name, self.window(x[0]), v.kernel_file == DSP)

    def flags_c(self, v: Variant) -> str:
        return f", {int('clamped' in v.name)}" if v.kernel_file == DSP else ""

    @classmethod
    def cases(cls) -> Iterable[Case]:
        sizes = {"1x1": (1, 1, 1, 1), "odd": (1, 5, 6, 3), "wide": (1, 3, 7, 5), "c4": (1, 4, 4, 4), "c7": (1, 6, 3, 7)}
        kinds = {name: (golden.activation(shape, 127),) for name, shape in sizes.items()}
        yield from golden.plain_cases("max_pool_1x1", cls((1, 1), (1, 1)), kinds)
        del kinds["1x1"]
        yield from golden.plain_cases("max_pool_2x2", cls((2, 2), (2, 2)), kinds)
        yield from golden.plain_cases("max_pool_3x3_padded", cls((3, 3), (1, 2), (1, 2, 2, 1)), kinds)
        yield from golden.random_cases("max_pool_past_edge", cls((2, 3), (3, 4), (1, 0, 0, 1), -100, 100), kinds)
        yield from golden.random_cases("max_pool_3x3_clamped", cls((3, 3), (2, 1), (1, 1, 0, 2), -9, 60), kinds)
        yield from golden.random_cases("max_pool_same", cls((3, 3), (1, 1), (1, 1, 1, 1)), kinds)
