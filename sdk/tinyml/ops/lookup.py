"""Elementwise functions of one int8 tensor: a table of 256 outputs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from tinyml.board import Isa
from tinyml.ir.cwriter import CWriter
from tinyml.ir.op import Call, Case, Cost, GraphError, Overlap, Packed, Range, Variant, operator
from tinyml.ir.tensor import Const, QuantParams, TensorType
from tinyml.ops import golden, lookup_tables, scaling, timing
from tinyml.ops.timing import Work

Types = tuple[TensorType, ...]


@operator("lookup")
@dataclass(frozen=True)
class Lookup:
    """y = function(x) in the quantisation of `out`.

    `function` is one of `lookup_tables.FUNCTIONS`, computed as LiteRT's reference kernels do, or `table`: then the
    second input is a constant int8[256] with the output of every input from -128 on. `alpha` is leaky relu's slope.
    """

    function: str
    out: QuantParams
    alpha: float = 0.0

    def infer(self, x: TensorType, *table: TensorType) -> Types:
        scaling.check_activation(x, "the input")
        scaling.check_output(self.out, -128, 127, "high")
        if [(t.dtype, t.shape) for t in table] != [("int8", (256,))] * (self.function == "table"):
            raise GraphError(f"the function `{self.function}` does not take the constants {list(table)}")
        self._values(x)
        return (TensorType(x.shape, "int8", self.out),)

    def _values(self, x: TensorType) -> np.ndarray | None:
        """int8[256], or None when the table is an input."""
        if self.function == "table":
            return None
        return lookup_tables.table(self.function, x.quant, self.out, self.alpha)

    def reference(self, x: np.ndarray, *table: np.ndarray, types: Types) -> tuple:
        values = self._values(types[0])
        return ((table[0] if values is None else values)[x.astype(np.int64) + 128],)

    def variants(self, isa: Isa, *x: TensorType) -> tuple[Variant, ...]:
        return (Variant("lookup_s8", "lookup_s8.h"),)

    def cost(self, v: Variant, *x: TensorType) -> Cost:
        return Cost(0, self.work(v, *x).cycles, 256, 0)

    def work(self, v: Variant, *x: TensorType) -> Work:
        return timing.elements(v.name, x[0].elements)

    def overlap(self, v: Variant, *x: TensorType) -> tuple[Overlap | None, ...]:
        return (Overlap(0),)

    def rows_needed(self, out_rows: Range, *x: TensorType) -> tuple[Range, ...]:
        return (out_rows,)

    def pack(self, v: Variant, types: Types, *c: Const) -> tuple[Packed, ...]:
        values = self._values(types[0])
        return (Packed("table", np.roll(c[0].data if values is None else values, 128)),)

    def kernel_c(self, v: Variant, w: CWriter, symbol: str) -> None:
        w.line(f"static TM_SEPARATE void {symbol}(const int8_t *x, int8_t *y, int32_t elements,")
        with w.block("    const int8_t *table)"):
            w.line("tm_lookup_s8(x, y, elements, table);")

    def emit_c(self, v: Variant, w: CWriter, call: Call) -> None:
        elements = call.input_types[0].elements
        w.line(f"{call.kernel}({call.inputs[0]}, {call.outputs[0]}, {elements}, {call.consts[0]});")

    @classmethod
    def cases(cls) -> Iterable[Case]:
        every = np.arange(-128, 128).astype(np.int8).reshape(1, 1, 256)
        for function in lookup_tables.FUNCTIONS:
            for scale, zero, out, out_zero in ((0.05, 3, 0.06, -128), (0.3, -128, 0.3, 127), (1.5, 127, 0.9, 0)):
                kind = TensorType(every.shape, "int8", QuantParams((scale,), zero))
                quant = lookup_tables.fixed_output(function) or QuantParams((out,), out_zero)
                name = f"lookup_{function}_{out_zero}".replace("-", "m")
                yield Case(name, cls(function, quant, 0.2), (every,), (kind,))
        table = Const.of(golden.bytes_of(5, (256,)))
        for name, shape in {"one": (1, 1), "odd": (1, 3, 5, 7)}.items():
            kind = golden.activation(shape)
            data = golden.bytes_of(6, shape)
            yield Case(f"lookup_table_{name}", cls("table", QuantParams((0.5,), 1)), (data, table), (kind, table.type))
