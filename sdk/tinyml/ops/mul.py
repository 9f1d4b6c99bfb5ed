"""Multiplication of two tensors; shapes broadcast."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from tinyml.board import Isa
from tinyml.ir.cwriter import CWriter
from tinyml.ir.op import Call, Case, Cost, GraphError, Variant, operator
from tinyml.ir.requantize import quantize_multiplier, requantize
from tinyml.ir.requantize_scaled import ScaledRequantization, needs_negative_fix, scaled_requantization
from tinyml.ir.tensor import QuantParams, TensorType
from tinyml.ops import golden, scaling, timing
from tinyml.ops.elementwise import Elementwise, Types, kernel_head
from tinyml.ops.timing import Work

_BITS = 14  # TM_PRODUCT_BITS
_LARGEST_PRODUCT = 255 * 255
_KINDS = {**scaling.ROUNDINGS, "scaled": "TM_PRODUCT_SCALED", "signed": "TM_PRODUCT_SIGNED"}


@operator("mul")
@dataclass(frozen=True)
class Mul(Elementwise):
    """y = a * b in the scale of `out`: the product of the integers less their zero points, requantised.

    LiteRT's rounding is `double`. Source: LiteRT internal/reference/integer_ops/mul.h.
    """

    def multiplier(self, a: TensorType, b: TensorType) -> tuple[int, int]:
        """(multiplier, left shift). Raises: GraphError for scales that do not fit 32 bits."""
        real = np.float32(a.quant.scale) * np.float32(b.quant.scale) / np.float32(self.out.scale)  # as LiteRT does
        try:
            return quantize_multiplier(float(real), self.rounding)
        except ValueError as error:
            raise GraphError(str(error), hint="the scales of inputs and output do not belong together") from error

    def infer(self, a: TensorType, b: TensorType) -> Types:
        inferred = super().infer(a, b)
        self.multiplier(a, b)
        return inferred

    def reference(self, a: np.ndarray, b: np.ndarray, *, types: Types) -> tuple:
        a, b = self.aligned(a, b)
        product = (a.astype(np.int64) - types[0].quant.zero_point) * (b.astype(np.int64) - types[1].quant.zero_point)
        result = requantize(product, *self.multiplier(*types), self.rounding) + self.out.zero_point
        return (np.clip(result, self.act_min, self.act_max).astype(np.int8),)

    def scaled(self, a: TensorType, b: TensorType) -> ScaledRequantization | None:
        """Constants for products times 2**_BITS, or None where they do not fit: then the C rounds step by step."""
        multiplier, shift = (np.array([v]) for v in self.multiplier(a, b))
        return scaled_requantization(multiplier, shift, self.rounding, self.out.zero_point, _BITS, _LARGEST_PRODUCT)

    def variants(self, isa: Isa, *x: TensorType) -> tuple[Variant, ...]:
        shift = np.array(self.multiplier(*x)[1])
        signed = needs_negative_fix(self.rounding, shift, self.act_min, self.out.zero_point)
        kind = self.rounding if self.scaled(*x) is None else "signed" if signed else "scaled"
        clamped, flat = "_clamped" if self.is_clamped else "", "" if self.pairing(*x).is_flat else "_broadcast"
        return (Variant(f"mul_s8_{kind}{clamped}{flat}", "mul_s8.h"),)

    def cost(self, v: Variant, *x: TensorType) -> Cost:
        weights = 0 if self.constant is None else x[self.constant].size_bytes
        return Cost(0, self.work(v, *x).cycles, weights, 0)

    def work(self, v: Variant, *x: TensorType) -> Work:
        return timing.pairwise(v.name, self.pairing(*x))

    def kernel_c(self, v: Variant, w: CWriter, symbol: str) -> None:
        flat, clamped = not v.name.endswith("broadcast"), int("clamped" in v.name)
        kind = _KINDS[v.name.split("_")[2]]
        with w.block(kernel_head(w, symbol, flat, "const tm_product *product")):
            if flat:
                w.line(f"tm_mul_s8(a, b, y, elements, 1, 1, product, {kind}, {clamped});")
            else:
                w.line(f"tm_mul_s8_broadcast(a, b, y, pairing, product, {kind}, {clamped});")

    def emit_c(self, v: Variant, w: CWriter, call: Call) -> None:
        a, b = call.input_types
        multiplier, shift = self.multiplier(a, b)
        scaled = self.scaled(a, b)
        offset = self.out.zero_point if scaled is None else int(scaled.offset[0])
        right = shift if scaled is None else int(scaled.right[0])
        values = (multiplier, offset, a.quant.zero_point, b.quant.zero_point, right, self.act_min, self.act_max)
        w.line(f"static const tm_product product = {{{', '.join(map(str, values))}}};")
        self.emit_call(w, call, not v.name.endswith("broadcast"), "&product")

    @classmethod
    def cases(cls) -> Iterable[Case]:
        for out in (0.05, 0.9, 0.0001):
            for first, second in ((-128, 127), (0, -5), (127, -128)):
                kinds = (golden.activation((1, 3, 3, 5), first), golden.activation((1, 3, 3, 5), second))
                zeros = f"{out}_{first}_{second}".replace("-", "m").replace(".", "_")
                yield from golden.plain_cases(
                    "mul_double", cls(QuantParams((out,), second), rounding="double"), {zeros: kinds}
                )
        for rounding in ("high", "single"):
            yield from golden.random_cases(
                f"mul_{rounding}", cls(QuantParams((0.3,), 5), rounding=rounding), {"odd": kinds}
            )
        op = cls(QuantParams((0.1,), -128), -128, 20, "double")
        yield from golden.plain_cases(
            "mul_clamped", op, {"one": (golden.activation((1, 1)), golden.activation((1, 1)))}
        )
        yield from golden.broadcast_cases(
            "mul_broadcast", lambda c: cls(QuantParams((0.9,), 9), rounding="double", constant=c)
        )
