"""What operators of two broadcastable tensors share: shapes, the constant operand, overlap and emission."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tinyml.ir.cwriter import CWriter
from tinyml.ir.op import Call, GraphError, Overlap, Packed, Range, Variant
from tinyml.ir.requantize import Rounding
from tinyml.ir.tensor import Const, QuantParams, TensorType
from tinyml.ops import scaling
from tinyml.ops.broadcast import Pairing

Types = tuple[TensorType, ...]


@dataclass(frozen=True)
class Elementwise:
    """y = f(a, b) in the scale of `out`, clamped; shapes broadcast as in numpy.

    `constant` is the index of the operand that is a constant of the graph (0 or 1), or None.
    """

    out: QuantParams
    act_min: int = -128
    act_max: int = 127
    rounding: Rounding = "high"
    constant: int | None = None

    def infer(self, a: TensorType, b: TensorType) -> Types:
        scaling.check_activation(a, "the first input")
        scaling.check_activation(b, "the second input")
        scaling.check_output(self.out, self.act_min, self.act_max, self.rounding)
        if self.constant not in (None, 0, 1):
            raise GraphError(f"operand {self.constant} cannot be the constant one: there are 0 and 1")
        return (TensorType(self.pairing(a, b).shape, "int8", self.out),)

    def check_constants(self, types: Types, *constants: Const) -> None:
        expected = () if self.constant is None else (types[self.constant],)
        if tuple(c.type for c in constants) != expected:
            raise GraphError(f"{len(constants)} operands are constant, the attribute `constant` is {self.constant}")

    def pairing(self, a: TensorType, b: TensorType) -> Pairing:
        return Pairing.of(a.shape, b.shape)

    def aligned(self, a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Both arrays with equally many axes; the batch of an activation stays in front."""
        rank = max(a.ndim, b.ndim)
        return tuple(v if i == self.constant else v.reshape(v.shape[:1] + (1,) * (rank - v.ndim) + v.shape[1:])
                     for i, v in enumerate((a, b)))  # fmt: skip

    def activations(self, *x: TensorType) -> Types:
        """The types of the operands that are not constant."""
        return tuple(kind for index, kind in enumerate(x) if index != self.constant)

    def overlap(self, v: Variant, *x: TensorType) -> tuple[Overlap | None, ...]:
        # Elements are written in the order in which they are read; a repeated operand is read again later.
        whole = self.pairing(*x[:2]).shape
        full = [kind.elements == TensorType(whole).elements for kind in self.activations(*x)]
        return tuple(Overlap(0) if f else None for f in full)

    def rows_needed(self, out_rows: Range, *x: TensorType) -> tuple[Range, ...]:
        shape = self.pairing(*x[:2]).shape
        rows = [kind.shape[-3] if len(kind.shape) > 2 else 1 for kind in self.activations(*x)]
        return tuple(out_rows if len(shape) > 2 and n == shape[-3] else Range(0, n) for n in rows)

    def pack(self, v: Variant, types: Types, *c: Const) -> tuple[Packed, ...]:
        return tuple(Packed("operand", const.data) for const in c)

    @property
    def is_clamped(self) -> bool:
        return (self.act_min, self.act_max) != (-128, 127)

    def operands(self, call: Call) -> list[str]:
        """C expressions of both operands in order."""
        both = list(call.inputs)
        if self.constant is not None:
            both.insert(self.constant, call.consts[0])
        return both

    def emit_call(self, w: CWriter, call: Call, flat: bool, *more: str) -> None:
        """The call of the shared function, with the number of elements or the pairing before `more`."""
        pairing = self.pairing(*call.input_types)
        size = str(call.output_types[0].elements)
        if not flat:
            w.line(f"static const tm_pairing pairing = {pairing.c_initialiser};")
            size = "&pairing"
        w.line(f"{call.kernel}({', '.join([*self.operands(call), call.outputs[0], size, *more])});")


def kernel_head(w: CWriter, symbol: str, flat: bool, more: str) -> str:
    """Writes the first line of a shared function and returns the second, which ends with `more` parameters."""
    w.line(f"static TM_SEPARATE void {symbol}(const int8_t *a, const int8_t *b, int8_t *y,")
    return f"    {'int32_t elements' if flat else 'const tm_pairing *pairing'}, {more})"
