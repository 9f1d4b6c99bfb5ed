"""How often the parts of every kernel run, from shapes alone; cost_table.py says how many cycles each part takes.

Estimates are Cortex-M4 cycles at zero wait states, as zig builds the kernels at -O2. How far they are off is written
beside the coefficients in cost_table.toml. The kernels of convolutions are in timing_convolutions.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import prod

from tinyml.ops.broadcast import Pairing
from tinyml.ops.cost_table import cost_table
from tinyml.ops.window import Window


@dataclass(frozen=True)
class Work:
    """What a layer does under a variant: how often each part of the kernels of one family runs."""

    family: str
    parts: Mapping[str, float]

    @property
    def cycles(self) -> int:
        return round(cost_table().cycles_of(self.family, self.parts))


def up(value: int, divisor: int) -> int:
    return -(-value // divisor)


@lru_cache(maxsize=4096)
def inside(outputs: int, stride: int, pad: int, kernel: int, inputs: int, dilation: int = 1) -> tuple[int, ...]:
    """By output along one axis, how many of its kernel's positions lie inside the input."""
    return tuple(sum(0 <= o * stride - pad + k * dilation < inputs for k in range(kernel)) for o in range(outputs))


def rows_inside(w: Window) -> tuple[int, ...]:
    return inside(w.out_h, w.stride_h, w.pad_top, w.kernel_h, w.in_h, w.dilation_h)


def columns_inside(w: Window) -> tuple[int, ...]:
    return inside(w.out_w, w.stride_w, w.pad_left, w.kernel_w, w.in_w, w.dilation_w)


def pool(name: str, w: Window, simd: bool) -> Work:
    fours = w.in_c // 4 if simd else 0
    ones = w.in_c - 4 * fours
    rows, columns = sum(rows_inside(w)), sum(columns_inside(w))
    lines, cells = rows * w.out_w, rows * columns
    return Work(name, {
        "call": 1, "row": w.out_h, "pixel": w.out_pixels, "four": fours * w.out_pixels, "four_line": fours * lines,
        "four_cell": fours * cells, "one": ones * w.out_pixels, "one_line": ones * lines, "one_cell": ones * cells,
    })  # fmt: skip


def mean(name: str, outer: int, count: int, inner: int, simd: bool) -> Work:
    fours = inner // 4 if simd else 0
    ones = inner - 4 * fours
    return Work(name, {
        "call": 1, "outer": outer, "four": outer * fours, "four_chunk": outer * fours * up(count, 255),
        "four_cell": outer * fours * count, "one": outer * ones, "one_cell": outer * ones * count,
    })  # fmt: skip


def softmax(name: str, rows: int, classes: int) -> Work:
    return Work(name, {"row": rows, "class": rows * classes})


def pairwise(name: str, pairing: Pairing, at_once: int = 1) -> Work:
    """Operators of two tensors; `at_once`: elements of one step of a kernel that takes several."""
    elements = prod(pairing.sizes)
    steps = elements // at_once
    return Work(name, {
        "call": 1, "outer": pairing.sizes[0], "run": prod(pairing.sizes[:2]), "step": steps,
        "rest": elements - steps * at_once,
    })  # fmt: skip


def elements(name: str, count: int) -> Work:
    return Work(name, {"call": 1, "element": count})


def runs(name: str, runs: int, count: int) -> Work:
    """Elements moved in `runs` consecutive pieces."""
    return Work(name, {"call": 1, "run": runs, "element": count})


def pad(name: str, rows: int, pixels: int, copied: int, filled: int) -> Work:
    """`rows` and `pixels` as often as the kernel's loops run."""
    return Work(name, {"call": 1, "row": rows, "pixel": rows * pixels, "copied": copied, "filled": filled})


def gather(name: str, sizes: tuple[int, int, int, int]) -> Work:
    counts = [prod(sizes[: i + 1]) for i in range(4)]
    return Work(name, {"call": 1} | dict(zip(("outer", "row", "run", "element"), counts, strict=True)))


def resize(name: str, rows: int, columns: int, channels: int) -> Work:
    return Work(name, {"call": 1, "row": rows, "pixel": rows * columns, "element": rows * columns * channels})


def shift_in(name: str, size_bytes: int, row_bytes: int) -> Work:
    kept = size_bytes - row_bytes
    return Work(name, {"call": 1, "sixteen": kept // 16 + row_bytes // 16, "byte": kept % 16 + row_bytes % 16})


def constant(name: str) -> Work:
    return Work(name, {"call": 1})
