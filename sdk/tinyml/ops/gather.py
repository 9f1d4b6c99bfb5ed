"""Strided copies: what transpose and slice have in common, and their kernel."""

from __future__ import annotations

from dataclasses import dataclass

from tinyml.board import Isa
from tinyml.ir.cwriter import CWriter
from tinyml.ir.op import Call, Cost, Variant
from tinyml.ir.tensor import TensorType
from tinyml.ops import timing
from tinyml.ops.moving import Mover
from tinyml.ops.timing import Work

_LOOPS = 4


@dataclass(frozen=True)
class Walk:
    """Output element (i, j, k, l) is the input at `start` plus the sum of index times step; sizes are the output's."""

    start: int
    sizes: tuple[int, ...]
    steps: tuple[int, ...]

    @classmethod
    def of(cls, start: int, sizes: tuple[int, ...], steps: tuple[int, ...]) -> Walk:
        """With axes merged that lie one behind the other, and filled up to four."""
        loops: list[tuple[int, int]] = []
        for size, step in zip(sizes, steps, strict=True):
            if size == 1:
                continue
            if loops and loops[-1][1] == step * size:
                loops[-1] = (loops[-1][0] * size, step)
            else:
                loops.append((size, step))
        loops = [(1, 0)] * (_LOOPS - len(loops)) + loops
        return cls(start, tuple(n for n, _ in loops), tuple(s for _, s in loops))

    @property
    def c_initialiser(self) -> str:
        """C initialiser of `tm_walk`, without the start."""
        return f"{{{{{', '.join(map(str, self.sizes))}}}, {{{', '.join(map(str, self.steps))}}}}}"


class Gather(Mover):
    """Mixin of operators whose output is a `walk(x)` over the input."""

    def variants(self, isa: Isa, *x: TensorType) -> tuple[Variant, ...]:
        return (Variant("gather_s8", "gather_s8.h"),)

    def cost(self, v: Variant, *x: TensorType) -> Cost:
        return Cost(0, self.work(v, *x).cycles, 0, 0)

    def work(self, v: Variant, *x: TensorType) -> Work:
        return timing.gather(v.name, self.walk(x[0]).sizes)

    def kernel_c(self, v: Variant, w: CWriter, symbol: str) -> None:
        with w.block(f"static TM_SEPARATE void {symbol}(const int8_t *x, int8_t *y, const tm_walk *walk)"):
            w.line("tm_gather_s8(x, y, walk);")

    def emit_c(self, v: Variant, w: CWriter, call: Call) -> None:
        walk = self.walk(call.input_types[0])
        w.line(f"static const tm_walk walk = {walk.c_initialiser};")
        w.line(f"{call.kernel}({call.inputs[0]} + {walk.start}, {call.outputs[0]}, &walk);")
