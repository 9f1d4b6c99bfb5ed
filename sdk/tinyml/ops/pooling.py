"""What max and average pooling share: windows over [1, H, W, C] whose output keeps the input's quantisation."""

from __future__ import annotations

from dataclasses import dataclass

from tinyml.ir.cwriter import CWriter
from tinyml.ir.op import Call, Overlap, Packed, Range, Variant
from tinyml.ir.tensor import Const, TensorType
from tinyml.ops import scaling
from tinyml.ops.window import Window, pooling_overlap


@dataclass(frozen=True)
class Pooling:
    """Cells outside the input do not count. `padding` is (top, bottom, left, right)."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    act_min: int = -128
    act_max: int = 127

    def window(self, x: TensorType) -> Window:
        return Window.of(x.shape, x.shape[-1], self.kernel, self.stride, self.padding)

    def infer(self, x: TensorType) -> tuple[TensorType, ...]:
        scaling.check_activation(x, "the input")
        scaling.check_output(x.quant, self.act_min, self.act_max, "high")
        w = self.window(x)
        return (TensorType((1, w.out_h, w.out_w, w.out_c), "int8", x.quant),)

    def overlap(self, v: Variant, *x: TensorType) -> tuple[Overlap | None, ...]:
        return (pooling_overlap(self.window(x[0])),)

    def rows_needed(self, out_rows: Range, *x: TensorType) -> tuple[Range, ...]:
        return (self.window(x[0]).rows_needed(out_rows),)

    def pack(self, v: Variant, types: tuple[TensorType, ...], *c: Const) -> tuple[Packed, ...]:
        return ()

    def kernel_c(self, v: Variant, w: CWriter, symbol: str) -> None:
        kernel = v.name.removesuffix("_clamped")
        w.line(f"static TM_SEPARATE void {symbol}(const int8_t *x, int8_t *y, const tm_window *w,")
        with w.block("    const tm_output *out)"):
            w.line(f"tm_{kernel}(x, y, w, out{self.flags_c(v)});")

    def flags_c(self, v: Variant) -> str:
        """Further arguments of the kernel, all constants."""
        return ""

    def emit_c(self, v: Variant, w: CWriter, call: Call) -> None:
        kind = call.input_types[0]
        w.line(f"static const tm_window window = {self.window(kind).c_initialiser};")
        w.line(f"static const tm_output output = {scaling.output_initialiser(kind.quant, self.act_min, self.act_max)};")
        w.line(f"{call.kernel}({call.inputs[0]}, {call.outputs[0]}, &window, &output);")
