"""Estimated Cortex-M4 cycles of the kernels, from shapes alone.

Each function counts how often the parts of a kernel run and weighs them. The weights were fitted (non-negative least
squares on the relative error) to about 150 layers of random shape, compiled by zig 0.17 at -O2 and measured block by
block with the Cortex-M4 instruction timings at zero wait states and 3 cycles for a taken branch. Residuals:
1x1 convolutions 2 %, other convolutions 3 %, depthwise 3x3 at stride 1 or 2 along the row 6 %, other depthwise 14 %,
fully connected 4 %, mean 3 %, softmax 1 %; odd numbers of output channels up to 20 %, portable kernels about 35 %, for
compilers specialise those that one layer alone uses.
gcc 12 needs up to a quarter more for windowed convolutions, a tenth more for a whole network. A clamp to less
than int8 costs 8 cycles an output more.
"""

from __future__ import annotations

from tinyml.ops.depthwise_planes import Planes
from tinyml.ops.window import Window

_CLAMP = 8


def _up(value: int, divisor: int) -> int:
    return -(-value // divisor)


def clamp_cycles(outputs: int, clamped: bool) -> int:
    """What the SIMD kernels add for an activation range that saturation alone does not give."""
    return _CLAMP * outputs * clamped


def gemm_quads(taps: int, channels: int, short: bool, signed: bool = False) -> int:
    """One pixel, four channels at a time; rounds of 8 groups, of 2 if `short`."""
    groups = _up(taps, 4)
    return int(60 + _up(channels, 4) * (60 + 24 * signed + 21 * groups + 4 * _up(groups, 2 if short else 8)))


def conv2d_pixels(w: Window, short: bool, signed: bool) -> int:
    return w.out_pixels * (20 + gemm_quads(w.taps, w.out_c, short, signed))


def conv2d_simd(w: Window, signed: bool) -> int:
    groups, tiles = _up(w.taps, 4), _up(w.out_pixels, 3)
    products = tiles * _up(w.out_c, 2) * (62 + 20 * signed + 24 * groups + 6 * (_up(groups, 8) - 1))
    expand = tiles * (90 + 27 * groups)
    if w.is_pointwise:
        return int(100 + products + expand)
    run = w.kernel_w * w.in_c
    if run % 4 == 0:
        edge = sum(not 0 <= x * w.stride_w - w.pad_left <= w.in_w - w.kernel_w for x in range(w.out_w)) * w.out_h
        unfold = edge * w.kernel_h * (40 + 2 * run) + tiles * 30 * w.kernel_h
    else:
        unfold = w.out_pixels * w.kernel_h * (40 + 2 * run)
    return int(100 + products + expand + unfold)


def conv2d_portable(w: Window) -> int:
    columns = w.kernel_w if w.dilation_w == 1 else 1  # neighbours in memory are one run of products
    fours, ones = divmod(columns * w.in_c, 4)
    runs = w.kernel_h * w.kernel_w // columns
    return int(w.out_pixels * w.out_c * (85 + runs * (28 + 22 * fours + 14 * ones)))


def _depthwise_fills(p: Planes, channels: int, by_rows: bool) -> float:
    """Filling the planes: all rows once, in bands that pass on their last rows, or anew for every output row."""
    bands, in_rows = _up(p.out_rows, p.band), p.out_rows * p.stride_rows
    kept = max(0, p.kernel_rows - p.stride_rows)
    in_rows = p.out_rows * p.kernel_rows if by_rows else in_rows + kept
    calls = p.out_rows if by_rows else 1
    moved = 0 if by_rows else 2.25 * (bands - 1) * kept * p.pitch
    return calls * (130 + 0.75 * p.scratch_bytes) + channels / 2 * (in_rows * (20 + 4.6 * p.in_columns) + moved)


def depthwise3x3(p: Planes, channels: int, fixed: bool, by_rows: bool = False) -> int:
    """`fixed`: one shift for all channels. `by_rows`: one output row a call."""
    fours, tail = divmod(p.out_columns, 4)
    row = fours * ((66 if p.stride_columns == 1 else 72) + 6 * (not fixed)) + 48 * _up(tail, 2) + 22
    bands = 220 + 265 * (_up(p.out_rows, p.band) - 1)
    return int(_depthwise_fills(p, channels, by_rows) + channels * (p.out_rows * row + bands))


_WIDE_ROW = {(3, 1): 20, (5, 1): 28, (7, 1): 39, (3, 2): 23, (5, 2): 29, (7, 2): 38}


def depthwise_wide(p: Planes, channels: int, signed: bool, by_rows: bool = False) -> int:
    """`signed`: negative results are rounded away from zero. `by_rows`: one output row a call."""
    fours = _up(p.out_columns, 4)
    tops = [r * p.stride_rows - p.pad_rows for r in range(p.out_rows)]
    kernel_rows = p.chunks * sum(min(p.in_rows - top, p.kernel_rows) - max(0, -top) for top in tops)
    outputs = fours * (kernel_rows * _WIDE_ROW[p.filter_columns, p.stride_columns] + p.out_rows * (50 + 8 * signed))
    weights = _up(p.out_rows, p.band) * (120 + (20 + 4 * p.filter_columns) * p.kernel_rows * p.chunks)
    return int(_depthwise_fills(p, channels, by_rows) + channels * (outputs + 65 * p.out_rows + weights))


def depthwise_dot(taps: int, channels: int) -> int:
    return int(30 + channels / 4 * (110 + 27 * _up(taps, 2)))


def depthwise_portable(w: Window) -> int:
    return int(w.out_pixels * w.out_c * (80 + 14 * w.kernel_h * w.kernel_w))


def fully_connected_portable(inputs: int, outputs: int) -> int:
    return int(50 + outputs * (40 + 15 * (inputs // 4) + 18 * (inputs % 4)))


def mean_simd(pixels: int, channels: int) -> int:
    return int(20.6 * channels + pixels * (9.2 * (channels // 4) + 7.4 * (channels % 4)))


def mean_portable(pixels: int, channels: int) -> int:
    return int(channels * (20 + 7.4 * pixels))


def softmax(rows: int, classes: int) -> int:
    return int(rows * (16 + 59.2 * classes))


def softmax_gemmlowp(rows: int, classes: int) -> int:
    return int(rows * (150 + 130 * classes))


def shift_in(size_bytes: int) -> int:
    return 40 + int(0.9 * size_bytes)


def average_pool(w: Window, simd: bool) -> int:
    return _pool(w, simd, 3.0, 14 + _CLAMP)


def add(elements: int, kind: str, flat: bool, clamped: bool) -> int:
    """`kind`: halves, linear, ties or double, as in add.py."""
    cycles = {"halves": 7, "linear": 12, "ties": 14, "double": 50}[kind]
    return int(40 + (cycles + 3.5 * clamped + 3 * (not flat)) * elements)


def mul(elements: int, stepwise: bool, flat: bool, clamped: bool) -> int:
    """`stepwise`: with the roundings one by one."""
    return int(40 + ((28 if stepwise else 15) + 3.5 * clamped + 3 * (not flat)) * elements)


def max_pool(w: Window, simd: bool) -> int:
    return _pool(w, simd, 2.5, 4)


def _pool(w: Window, simd: bool, word: float, finish: float) -> int:
    """`word`: cycles of four channels of a cell beyond the load and the loop; `finish`: of one output."""
    fours = w.in_c // 4 if simd else 0
    cells = w.kernel_h * (8 + w.kernel_w * 7) + 12
    quads = w.kernel_h * (8 + w.kernel_w * (5.5 + word)) + 12
    return int(60 + w.out_pixels * (45 + fours * (quads + 4 * finish) + (w.in_c - 4 * fours) * (cells + finish)))


def lookup(elements: int) -> int:
    return 20 + 8 * elements


def copy(runs: int, elements: int) -> int:
    """Bytes moved one by one in `runs` consecutive pieces."""
    return int(40 + 20 * runs + 8 * elements)
