"""Addition of two tensors; shapes broadcast."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from tinyml.board import Isa
from tinyml.ir.cwriter import CWriter
from tinyml.ir.op import Call, Case, Cost, GraphError, Variant, operator
from tinyml.ir.tensor import QuantParams, TensorType
from tinyml.ops import golden, timing
from tinyml.ops.elementwise import Elementwise, Types, kernel_head
from tinyml.ops.litert_sum import HalvesSum, LinearSum, SumScales, halves_sum, linear_sum, litert_sum
from tinyml.ops.timing import Work

_LARGEST_MULTIPLIER = 2**21
_LARGEST_SHIFT = 23
_KINDS = {"linear": "TM_SUM_LINEAR", "ties": "TM_SUM_TIES", "double": "TM_SUM_DOUBLE"}
PORTABLE = "add_s8.h"
DSP = "add_s8_dsp.h"


@dataclass(frozen=True)
class SumOperator(Elementwise):
    """y = a + SIGN * b in the scale of `out`.

    `rounding` is `high` for networks trained here (one rounding half up over a common shift of both scaled
    operands) or `double` for LiteRT's arithmetic. The C computes either as one multiply-add and one shift.
    """

    SIGN = 1

    def scales(self, a: TensorType, b: TensorType) -> tuple[int, int, int]:
        """(multiplier of a, multiplier of b, shift) of `high`: the largest shift up to 23, multipliers up to 2**21."""
        ratios = (a.quant.scale / self.out.scale, self.SIGN * b.quant.scale / self.out.scale)
        for shift in range(_LARGEST_SHIFT, 0, -1):
            pair = tuple(round(r * 2.0**shift) for r in ratios)
            if max(map(abs, pair)) <= _LARGEST_MULTIPLIER:
                return *pair, shift
        raise GraphError(f"the inputs' scales {ratios} times the output's are too large to add")

    def infer(self, a: TensorType, b: TensorType) -> Types:
        inferred = super().infer(a, b)
        if self.rounding not in ("high", "double"):
            raise GraphError(f"rounding `{self.rounding}` is not one of a sum's: high, double")
        if self.rounding == "double":
            SumScales.of(a.quant, b.quant, self.out, self.SIGN)
        else:
            self.scales(a, b)
        return inferred

    def reference(self, a: np.ndarray, b: np.ndarray, *, types: Types) -> tuple:
        first, second = types[0].quant, types[1].quant
        a, b = np.broadcast_arrays(*self.aligned(a, b))
        if self.rounding == "double":
            scales = SumScales.of(first, second, self.out, self.SIGN)
            zeros = (first.zero_point, second.zero_point)
            return (litert_sum(a, b, scales, *zeros, self.out, self.act_min, self.act_max),)
        result = self._high(*types)(a.astype(np.int64), b.astype(np.int64))
        return (np.clip(result, self.act_min, self.act_max).astype(np.int8),)

    def _high(self, a: TensorType, b: TensorType) -> LinearSum:
        first, second, shift = self.scales(a, b)
        zeros = first * a.quant.zero_point + second * b.quant.zero_point
        return LinearSum(first, second, (1 << (shift - 1)) + (self.out.zero_point << shift) - zeros, 0, shift, False)

    def linear(self, a: TensorType, b: TensorType) -> LinearSum | None:
        """The sum as the C computes it, or None if LiteRT's roundings have to be taken one by one."""
        if self.rounding == "high":
            return self._high(a, b)
        return linear_sum(a.quant, b.quant, self.out, self.SIGN, self.act_min, self.act_max)

    def halves(self, a: TensorType, b: TensorType) -> HalvesSum | None:
        """The sum as the SIMD kernel computes it, or None if that is not exact."""
        if self.rounding == "high":
            return None
        return halves_sum(a.quant, b.quant, self.out, self.SIGN, self.act_min, self.act_max)

    def variants(self, isa: Isa, *x: TensorType) -> tuple[Variant, ...]:
        flat, clamped = self.pairing(*x).is_flat, "_clamped" if self.is_clamped else ""
        if isa.dsp and flat and self.halves(*x) is not None:
            return (Variant(f"add_s8_halves{clamped}", DSP),)
        fit = self.linear(*x)
        kind = "double" if fit is None else "ties" if fit.ties else "linear"
        return (Variant(f"add_s8_{kind}{clamped}{'' if flat else '_broadcast'}", PORTABLE),)

    def cost(self, v: Variant, *x: TensorType) -> Cost:
        weights = 0 if self.constant is None else x[self.constant].size_bytes
        return Cost(0, self.work(v, *x).cycles, weights, 0)

    def work(self, v: Variant, *x: TensorType) -> Work:
        return timing.pairwise(v.name, self.pairing(*x), 4 if v.kernel_file == DSP else 1)

    def kernel_c(self, v: Variant, w: CWriter, symbol: str) -> None:
        flat, clamped = not v.name.endswith("broadcast"), int("clamped" in v.name)
        kind = v.name.split("_")[2]
        struct = "tm_halves_sum" if v.kernel_file == DSP else "tm_sum"
        with w.block(kernel_head(w, symbol, flat, f"const {struct} *sum")):
            if v.kernel_file == DSP:
                w.line(f"tm_add_s8_dsp(a, b, y, elements, sum, {clamped});")
            elif flat:
                w.line(f"tm_add_s8(a, b, y, elements, 1, 1, sum, {_KINDS[kind]}, {clamped});")
            else:
                w.line(f"tm_add_s8_broadcast(a, b, y, pairing, sum, {_KINDS[kind]}, {clamped});")

    def emit_c(self, v: Variant, w: CWriter, call: Call) -> None:
        types, flat = call.input_types, not v.name.endswith("broadcast")
        if v.kernel_file == DSP:
            fit = self.halves(*types)
            values = (fit.a_factor, fit.b_factor, fit.early, self.act_min, self.act_max)
            w.line(f"static const tm_halves_sum sum = {{{', '.join(map(str, values))}}};")
        else:
            w.line(f"static const tm_sum sum = {{{', '.join(map(str, self._portable_scales(*types)))}}};")
        self.emit_call(w, call, flat, "&sum")

    def _portable_scales(self, a: TensorType, b: TensorType) -> tuple[int, ...]:
        """The fields of `tm_sum`."""
        fit, low, high = self.linear(a, b), self.act_min, self.act_max
        if fit is not None:
            return (fit.a_factor, fit.b_factor, fit.early, fit.late, fit.shift, low, high, 0, 0, 0, 0)
        scales = SumScales.of(a.quant, b.quant, self.out, self.SIGN)
        (first, first_shift), (second, second_shift), (multiplier, shift) = scales.a, scales.b, scales.out
        zeros = (a.quant.zero_point, b.quant.zero_point)
        rights = (-first_shift, -second_shift)
        return (first, second, multiplier, self.out.zero_point, -shift, low, high, *zeros, *rights)

    @classmethod
    def cases(cls) -> Iterable[Case]:
        name, scales = cls.ir_name, {"equal": (0.1, 0.1, 0.2), "uneven": (0.013, 0.2, 0.11), "loud": (1.0, 3.0, 0.01)}
        for scale, (a, b, out) in scales.items():
            for first, second in ((-128, 127), (0, -5), (127, -128)):
                types = (TensorType((1, 3, 3, 5), "int8", QuantParams((a,), first)),
                         TensorType((1, 3, 3, 5), "int8", QuantParams((b,), second)))  # fmt: skip
                zeros = f"{first}_{second}".replace("-", "m")
                for rounding in ("high", "double"):
                    op = cls(QuantParams((out,), second), rounding=rounding)
                    ends = (None, -128, 127) if rounding == "double" or first == 0 else (None,)
                    yield from golden.plain_cases(f"{name}_{scale}_{rounding}", op, {zeros: types}, ends)
        for size in (2, 4, 7):
            kinds = (golden.activation((1, size), 127), golden.activation((1, size), -128))
            op = cls(QuantParams((0.15,), 3), rounding="double")
            yield from golden.random_cases(f"{name}_short", op, {str(size): kinds})
        small = (golden.activation((1, 1)), golden.activation((1, 1)))
        yield from golden.plain_cases(f"{name}_clamped", cls(QuantParams((0.2,), 0), -20, 30), {"one": small})
        yield from golden.broadcast_cases(
            f"{name}_broadcast", lambda c: cls(QuantParams((0.15,), 9), -110, 99, "double", c)
        )
        for ratio in ((0.16, 0.19, 0.06), (4.0, 0.5, 0.0625)):  # no single shift is exact for these
            zeros = zip(ratio[:2], (-128, 0), strict=True)
            kinds = tuple(TensorType((1, 16, 16, 1), "int8", QuantParams((s,), z)) for s, z in zeros)
            op = cls(QuantParams((ratio[2],), 0), 0, 127, "double")
            yield from golden.random_cases(f"{name}_rounded_twice", op, {str(ratio[0]).replace(".", "_"): kinds})


@operator("add")
@dataclass(frozen=True)
class Add(SumOperator):
    """y = a + b in the scale of `out`; see `SumOperator`."""
