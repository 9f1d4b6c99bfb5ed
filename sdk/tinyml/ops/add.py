"""Elementwise addition of two tensors of one shape."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from tinyml.board import Isa
from tinyml.ir.cwriter import CWriter
from tinyml.ir.op import Call, Case, Cost, GraphError, Overlap, Packed, Range, Variant, operator
from tinyml.ir.tensor import Const, QuantParams, TensorType
from tinyml.ops import golden, scaling, timing

_LARGEST_MULTIPLIER = 2**21
_LARGEST_SHIFT = 30


@operator("add")
@dataclass(frozen=True)
class Add:
    """y = a + b in the scale of `out`: one rounding (half up) over a common shift of both scaled operands."""

    out: QuantParams
    act_min: int = -128
    act_max: int = 127

    def scales(self, a: TensorType, b: TensorType) -> tuple[int, int, int]:
        """(multiplier of a, multiplier of b, shift): the largest shift up to 30 with multipliers up to 2**21."""
        ratios = (a.quant.scale / self.out.scale, b.quant.scale / self.out.scale)
        for shift in range(_LARGEST_SHIFT, 0, -1):
            pair = tuple(round(r * 2.0**shift) for r in ratios)
            if max(pair) <= _LARGEST_MULTIPLIER:
                return *pair, shift
        raise GraphError(f"the inputs' scales {ratios} times the output's are too large to add")

    def infer(self, a: TensorType, b: TensorType) -> tuple[TensorType, ...]:
        scaling.check_activation(a, "the first input")
        scaling.check_activation(b, "the second input")
        scaling.check_output(self.out, self.act_min, self.act_max, "high")
        if a.shape != b.shape:
            raise GraphError(f"shapes {list(a.shape)} and {list(b.shape)} cannot be added")
        self.scales(a, b)
        return (TensorType(a.shape, "int8", self.out),)

    def reference(self, a: np.ndarray, b: np.ndarray, *, types: tuple[TensorType, ...]) -> tuple:
        first, second, shift = self.scales(*types)
        total = (a.astype(np.int64) - types[0].quant.zero_point) * first
        total = total + (b.astype(np.int64) - types[1].quant.zero_point) * second
        result = ((total + (1 << (shift - 1))) >> shift) + self.out.zero_point
        return (np.clip(result, self.act_min, self.act_max).astype(np.int8),)

    def variants(self, isa: Isa, *x: TensorType) -> tuple[Variant, ...]:
        return (Variant("add_s8", "add_s8.h"),)

    def cost(self, v: Variant, *x: TensorType) -> Cost:
        return Cost(0, timing.add(x[0].elements), 104, 0, 0)

    def overlap(self, v: Variant, *x: TensorType) -> tuple[Overlap | None, ...]:
        return (Overlap(0), Overlap(0))

    def rows_needed(self, out_rows: Range, *x: TensorType) -> tuple[Range, ...]:
        return (out_rows, out_rows)

    def pack(self, v: Variant, types: tuple[TensorType, ...], *c: Const) -> tuple[Packed, ...]:
        return ()

    def kernel_c(self, v: Variant, w: CWriter, symbol: str) -> None:
        w.line(f"static TM_SEPARATE void {symbol}(const int8_t *a, const int8_t *b, int8_t *y,")
        with w.block("    int32_t elements, const tm_add_scales *scales, const tm_output *out)"):
            w.line("tm_add_s8(a, b, y, elements, scales, out);")

    def emit_c(self, v: Variant, w: CWriter, call: Call) -> None:
        a, b = call.input_types
        first, second, shift = self.scales(a, b)
        values = (a.quant.zero_point, first, b.quant.zero_point, second, shift)
        w.line(f"static const tm_add_scales scales = {{{', '.join(map(str, values))}}};")
        w.line(f"static const tm_output output = {scaling.output_initialiser(self.out, self.act_min, self.act_max)};")
        w.line(f"{call.kernel}({call.inputs[0]}, {call.inputs[1]}, {call.outputs[0]}, {a.elements}, &scales, &output);")

    @classmethod
    def cases(cls) -> Iterable[Case]:
        scales = {"equal": (0.1, 0.1, 0.2), "uneven": (0.013, 0.2, 0.11), "loud": (1.0, 3.0, 0.01)}
        for name, (a, b, out) in scales.items():
            for first, second in ((-128, 127), (0, -5), (127, -128)):
                types = (TensorType((1, 3, 3, 5), "int8", QuantParams((a,), first)),
                         TensorType((1, 3, 3, 5), "int8", QuantParams((b,), second)))  # fmt: skip
                zeros = f"{first}_{second}".replace("-", "m")
                yield from golden.plain_cases(f"add_{name}", cls(QuantParams((out,), second)), {zeros: types})
        small = (golden.activation((1, 1)), golden.activation((1, 1)))
        yield from golden.plain_cases("add_clamped", cls(QuantParams((0.2,), 0), -20, 30), {"one": small})
