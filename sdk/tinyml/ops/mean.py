"""Global mean over height and width: [1, H, W, C] to [1, C], same quantisation."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from tinyml.board import Isa
from tinyml.ir.cwriter import CWriter
from tinyml.ir.op import Call, Case, Cost, GraphError, Overlap, Packed, Range, Variant, operator
from tinyml.ir.tensor import Const, TensorType
from tinyml.ops import golden, scaling, timing
from tinyml.ops.average_pool2d import rounded_mean


@operator("mean")
@dataclass(frozen=True)
class Mean:
    """Mean of the raw integers, rounded half away from zero."""

    def infer(self, x: TensorType) -> tuple[TensorType, ...]:
        scaling.check_activation(x, "the input")
        if len(x.shape) != 4 or x.shape[0] != 1 or not 0 < x.shape[1] * x.shape[2] < 2**20:
            raise GraphError(f"the mean of an input of shape {list(x.shape)} is not supported")
        return (TensorType((1, x.shape[3]), "int8", x.quant),)

    def reference(self, x: np.ndarray, *, types: tuple[TensorType, ...]) -> tuple:
        return (rounded_mean(x.sum(axis=(1, 2), dtype=np.int64), x.shape[1] * x.shape[2]).astype(np.int8),)

    def variants(self, isa: Isa, *x: TensorType) -> tuple[Variant, ...]:
        portable = Variant("mean_s8", "mean_s8.h")
        return (Variant("mean_s8_dsp", "mean_s8_dsp.h"), portable) if isa.dsp else (portable,)

    def cost(self, v: Variant, *x: TensorType) -> Cost:
        _, height, width, channels = x[0].shape
        simd = v.name.endswith("dsp")
        cycles = (timing.mean_simd if simd else timing.mean_portable)(height * width, channels)
        return Cost(0, cycles, 150 if simd else 100, 0, 0)

    def overlap(self, v: Variant, *x: TensorType) -> tuple[Overlap | None, ...]:
        # The mean of a channel is written over that channel of the first pixel, or before it.
        return (Overlap(0),)

    def rows_needed(self, out_rows: Range, *x: TensorType) -> tuple[Range, ...]:
        return (Range(0, x[0].shape[1]),)

    def pack(self, v: Variant, types: tuple[TensorType, ...], *c: Const) -> tuple[Packed, ...]:
        return ()

    def kernel_c(self, v: Variant, w: CWriter, symbol: str) -> None:
        head = f"static TM_SEPARATE void {symbol}(const int8_t *x, int8_t *y, int32_t pixels, int32_t channels)"
        with w.block(head):
            w.line(f"tm_{v.name}(x, y, pixels, channels);")

    def emit_c(self, v: Variant, w: CWriter, call: Call) -> None:
        _, height, width, channels = call.input_types[0].shape
        w.line(f"{call.kernel}({call.inputs[0]}, {call.outputs[0]}, {height * width}, {channels});")

    @classmethod
    def cases(cls) -> Iterable[Case]:
        sizes = [(1, 1, 1), (2, 3, 1), (3, 3, 2), (5, 3, 3), (4, 4, 4), (25, 5, 7), (20, 13, 8)]
        kinds = {"x".join(map(str, s)): (golden.activation((1, *s), 127),) for s in sizes}
        yield from golden.plain_cases("mean", cls(), kinds)
