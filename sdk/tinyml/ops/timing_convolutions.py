"""How often the parts of the kernels with multiply-accumulates run: convolutions, depthwise, fully connected layers."""

from __future__ import annotations

import re
from functools import lru_cache

import numpy as np

from tinyml.ops.depthwise_planes import Planes
from tinyml.ops.timing import Work, columns_inside, inside, rows_inside, up
from tinyml.ops.window import Window

_UNROLL = 8  # TM_GEMM_UNROLL
_STRIP_TILES = 3  # TM_CONV2D_STRIP_TILES


def fully_connected(name: str, inputs: int, outputs: int) -> Work:
    """The portable kernel: four products at a time."""
    return Work(name, {"call": 1, "output": outputs, "four": inputs // 4 * outputs, "one": inputs % 4 * outputs})


def windowed(name: str, w: Window, calls: int) -> Work:
    """The portable convolution: output by output, in runs of taps that are neighbours in memory."""
    rows, columns = sum(rows_inside(w)), columns_inside(w)
    pieces = [n * w.in_c for n in columns] if w.dilation_w == 1 else [w.in_c] * sum(columns)
    return Work(name, {
        "call": calls, "row": w.out_h, "pixel": w.out_pixels, "output": w.out_pixels * w.out_c,
        "line": rows * w.out_w * w.out_c, "run": rows * len(pieces) * w.out_c,
        "four": rows * w.out_c * sum(n // 4 for n in pieces), "one": rows * w.out_c * sum(n % 4 for n in pieces),
    })  # fmt: skip


def depthwise_windowed(name: str, w: Window) -> Work:
    """The portable depthwise convolution: output by output, taps outside the input left out."""
    rows, columns = sum(rows_inside(w)), sum(columns_inside(w))
    return Work(name, {
        "call": 1, "row": w.out_h, "pixel": w.out_pixels, "output": w.out_pixels * w.out_c,
        "line": rows * w.out_w * w.out_c, "cell": rows * columns * w.out_c,
    })  # fmt: skip


def quads(name: str, taps: int, outputs: int, pixels: int, calls: int, variant: str) -> Work:
    """One pixel at a time, four output channels at a time, rounds of 8 groups of taps, of 2 in short kernels."""
    groups, fours = up(taps, 4), pixels * up(outputs, 4)
    tensor, short = "_tensor" in variant, "_short" in variant
    return Work(name, {
        "call": calls, "pixel": pixels, "four": fours * (not tensor), "tensor_four": fours * tensor,
        "signed_four": fours * ("_signed" in variant), "round": fours * up(groups, 2 if short else _UNROLL),
        "group": fours * groups, "last": pixels * (outputs % 4 > 0),
        "clamped": pixels * outputs * ("_clamped" in variant),
    })  # fmt: skip


def _tiles(w: Window, count: int, variant: str) -> dict[str, float]:
    """`count` tiles of three pixels times all output channels; the last of an odd number makes a pair of its own."""
    odd, groups = w.out_c % 2, up(w.taps, 4)
    pairs = count * (w.out_c // 2 + odd)
    return {
        "tile": count * (1 + odd), "pair": pairs, "signed_pair": pairs * ("_signed" in variant),
        "round": pairs * up(groups, _UNROLL), "group": pairs * groups,
        "clamped": w.out_pixels * w.out_c * ("_clamped" in variant),
    }  # fmt: skip


def pointwise(w: Window, variant: str, together: int, by_rows: bool) -> Work:
    """1x1: `together` pixels are expanded at once."""
    calls, pixels = (w.out_h, w.out_w) if by_rows else (1, w.out_pixels)
    blocks = [together] * (pixels // together) + [pixels % together] * (pixels % together > 0)
    words = [block * up(w.taps, 4) for block in blocks]
    copied = w.out_pixels * (w.taps % 4 > 0)
    return Work("conv2d_1x1", {
        "call": calls, "strip": calls * len(blocks), "expand4": calls * sum(n // 4 for n in words),
        "expand1": calls * sum(n % 4 for n in words), "copy": copied, "copied_word": copied * up(w.taps, 4),
        **_tiles(w, calls * up(pixels, 3), variant),
    })  # fmt: skip


def windows(w: Window, variant: str, columns: bool, by_rows: bool) -> Work:
    """Any other convolution: windows are gathered from columns of whole words, or row by row."""
    first, whole = _tile_starts(w, by_rows)
    rows = np.array(rows_inside(w))
    counts = _columns(w, first, whole, rows) if columns else _patches(w, first, whole, rows)
    short = re.match(r"conv2d_run\d+", variant)
    family = "conv2d_columns" if columns else short[0] if short else "conv2d_windows"
    calls = w.out_h if by_rows else 1
    return Work(family, {"call": calls, "row": w.out_h, "row_start": w.out_h * w.kernel_h, **counts,
                         **_tiles(w, len(first), variant)})  # fmt: skip


def _tile_starts(w: Window, by_rows: bool) -> tuple[np.ndarray, np.ndarray]:
    """(index of each tile's first pixel, whether its three pixels lie in one row)."""
    if by_rows:
        first = np.add.outer(w.out_w * np.arange(w.out_h), np.arange(0, w.out_w, 3)).ravel()
        return first, first % w.out_w + 3 <= w.out_w
    first = np.arange(0, w.out_pixels, 3)
    return first, (first % w.out_w + 3 <= w.out_w) & (first + 3 <= w.out_pixels)


def _single_pixels(w: Window, first: np.ndarray) -> np.ndarray:
    """The pixels of tiles that are taken one by one."""
    pixels = np.add.outer(first, np.arange(3)).ravel()
    return pixels[pixels < w.out_pixels]


def _columns(w: Window, first: np.ndarray, whole: np.ndarray, rows: np.ndarray) -> dict[str, float]:
    """Whole tiles of one row share columns, up to three tiles of them."""
    if w.stride_w >= w.kernel_w:
        whole = np.zeros_like(whole)
    strips = [(pixel, w.kernel_w) for pixel in _single_pixels(w, first[~whole]).tolist()]
    begin, tiles = -1, 0
    for pixel in (*first[whole].tolist(), -1):
        follows = tiles and tiles < _STRIP_TILES and pixel == begin + 3 * tiles and pixel % w.out_w > begin % w.out_w
        if not follows:
            strips += [(begin, w.kernel_w + (3 * tiles - 1) * w.stride_w)] * (tiles > 0)
            begin, tiles = pixel, 0
        tiles += 1
    pixels, widths = np.array(strips).T
    left = pixels % w.out_w * w.stride_w - w.pad_left
    seen = np.clip(np.minimum(left + widths, w.in_w) - np.maximum(left, 0), 0, None)
    inside_lines = int((seen * rows[pixels // w.out_w]).sum())
    columns, words = int(widths.sum()), w.in_c // 4
    outside = columns * w.kernel_h - inside_lines
    return {"step": len(strips), "column": columns, "line": inside_lines, "expand4": inside_lines * (words // 4),
            "expand1": inside_lines * (words % 4), "outside_line": outside,
            "outside_word": outside * words}  # fmt: skip


def _patches(w: Window, first: np.ndarray, whole: np.ndarray, rows: np.ndarray) -> dict[str, float]:
    run, taps = w.kernel_w * w.in_c, w.taps
    words = up(run, 4) if run >= 4 else run
    left = first % w.out_w * w.stride_w - w.pad_left
    full = rows == w.kernel_h
    triple = whole & full[first // w.out_w] & (left >= 0) & (left + 2 * w.stride_w + w.kernel_w <= w.in_w)
    pixels = _single_pixels(w, first[~triple])
    left = pixels % w.out_w * w.stride_w - w.pad_left
    seen = np.clip(np.minimum(left + w.kernel_w, w.in_w) - np.maximum(left, 0), 0, None)
    plain = full[pixels // w.out_w] & (seen == w.kernel_w)
    edges, seen = pixels[~plain], seen[~plain] * w.in_c
    copied = rows[edges // w.out_w]
    triples = int(triple.sum())
    blocks = np.minimum(3, w.out_pixels - first) * up(taps, 4)
    return {
        "triple": triples, "triple_line": triples * w.kernel_h, "triple_word": triples * w.kernel_h * words,
        "plain": int(plain.sum()), "plain_line": int(plain.sum()) * w.kernel_h,
        "plain_word": int(plain.sum()) * w.kernel_h * words,
        "edge": len(edges), "filled_word": len(edges) * up(taps, 4),
        "edge_line": int(copied.sum()), "edge_word": int((copied * (-(-seen // 4))).sum()),
        "expand4": int((blocks // 4).sum()), "expand1": int((blocks % 4).sum()),
    }  # fmt: skip


def _planes(p: Planes, channels: int, by_rows: bool, clamped: bool) -> dict[str, float]:
    """What all planar depthwise kernels do: two channels expanded at a time, in bands of rows."""
    pairs, kept = up(channels, 2), max(0, p.kernel_rows - p.stride_rows)
    calls = p.out_rows if by_rows else 1
    bands, expanded, cleared, stretches = _bands(p, kept, by_rows)
    columns = min(p.in_columns, p.pitch // 2 - p.pad_columns)
    moved = 0 if by_rows else (bands - 1) * kept * p.pitch // 4
    wipes = cleared * (not by_rows and p.out_rows > p.band)
    return {
        "call": calls, "cleared_word": calls * p.plane_bytes // 4, "channel_pair": calls * pairs, "band": pairs * bands,
        "moved_word": pairs * moved, "stretch": pairs * stretches, "outside_row": pairs * cleared,
        "wiped_word": pairs * wipes * p.pitch // 4, "expanded_row": pairs * expanded,
        "cells8": pairs * expanded * (columns // 8), "cells4": pairs * expanded * (columns % 8 // 4),
        "cells2": pairs * expanded * (columns % 4 // 2), "cells1": pairs * expanded * (columns % 2),
        "clamped": p.out_rows * p.out_columns * channels * clamped,
    }  # fmt: skip


@lru_cache(maxsize=2**14)
def _bands(p: Planes, kept: int, by_rows: bool) -> tuple[int, int, int, int]:
    """Bands, and their rows that are expanded, rows that are cleared, and stretches of rows that are there. Searches
    ask for the same planes again and again."""
    starts = range(p.out_rows) if by_rows else range(0, p.out_rows, p.band)
    expanded = cleared = stretches = 0
    for start in starts:
        rows = 1 if by_rows else min(p.band, p.out_rows - start)
        there = 0 if by_rows or start == 0 else kept
        top = start * p.stride_rows - p.pad_rows + there
        stop = top - there + (rows - 1) * p.stride_rows + p.kernel_rows
        seen = max(0, min(stop, p.in_rows) - max(top, 0))
        expanded, cleared, stretches = expanded + seen, cleared + stop - top - seen, stretches + (seen > 0)
    return len(starts), expanded, cleared, stretches


def depthwise3x3(p: Planes, channels: int, variant: str, by_rows: bool, clamped: bool) -> Work:
    filters = channels * (p.out_rows if by_rows else up(p.out_rows, p.band))
    rows = channels * p.out_rows
    fours, twos = rows * (p.out_columns // 4), rows * up(p.out_columns % 4, 2)
    shifts = "_shifts" in variant
    return Work(f"depthwise3x3s{p.stride_columns}", {
        **_planes(p, channels, by_rows, clamped), "filter": filters, "fixed_filter": filters * (not shifts),
        "row": rows, "tail": rows * (twos > 0), "four": fours, "shifted_four": fours * shifts,
        "two": twos, "shifted_two": twos * shifts,
    })  # fmt: skip


def depthwise_wide(p: Planes, channels: int, variant: str, by_rows: bool, clamped: bool) -> Work:
    filters = channels * (p.out_rows if by_rows else up(p.out_rows, p.band))
    rows, fours = channels * p.out_rows, up(p.out_columns, 4)
    seen = channels * p.chunks * sum(inside(p.out_rows, p.stride_rows, p.pad_rows, p.kernel_rows, p.in_rows))
    return Work(f"depthwise_wide{p.filter_columns}s{p.stride_columns}", {
        **_planes(p, channels, by_rows, clamped), "filter": filters,
        "widened_row": filters * p.kernel_rows * p.chunks, "row": rows, "four": rows * fours,
        "signed_four": rows * fours * ("_signed" in variant), "kernel_row_four": seen * fours,
    })  # fmt: skip


def depthwise_dot(taps: int, channels: int, variant: str, clamped: bool) -> Work:
    fours = up(channels, 4)
    return Work("depthwise_dot", {"call": 1, "four": fours, "signed_four": fours * ("_signed" in variant),
                                  "two_taps": fours * up(taps, 2), "clamped": channels * clamped})  # fmt: skip
