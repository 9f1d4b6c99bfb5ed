"""Geometry of a sliding window over an NHWC tensor: shared by convolutions and pooling."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import astuple, dataclass
from functools import lru_cache

import numpy as np

from tinyml.ir.op import GraphError, Overlap, Range

_MOST = 2**15  # dimensions stay far below what int32 index arithmetic in the kernels can hold


@dataclass(frozen=True)
class Window:
    """Fields in the order of the C struct `tm_window`; pads at bottom and right follow from the output size."""

    in_h: int
    in_w: int
    in_c: int
    out_h: int
    out_w: int
    out_c: int
    kernel_h: int
    kernel_w: int
    stride_h: int
    stride_w: int
    dilation_h: int
    dilation_w: int
    pad_top: int
    pad_left: int

    @classmethod
    def of(
        cls, in_shape: tuple[int, ...], out_c: int, kernel: tuple[int, int], stride: tuple[int, int],
        padding: tuple[int, int, int, int], dilation: tuple[int, int] = (1, 1),
    ) -> Window:  # fmt: skip
        """`in_shape` is (1, H, W, C), `padding` (top, bottom, left, right). Raises: GraphError."""
        if len(in_shape) != 4 or in_shape[0] != 1:
            raise GraphError(f"input of shape {list(in_shape)} is not [1, height, width, channels]")
        if min(*kernel, *stride, *dilation, *in_shape) < 1 or min(padding) < 0:
            raise GraphError(
                f"sizes, strides {stride} and dilations {dilation} must be positive, padding {padding} not negative"
            )
        spans = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
        if padding[0] >= spans[0] or padding[1] >= spans[0] or padding[2] >= spans[1] or padding[3] >= spans[1]:
            raise GraphError(f"padding {padding} reaches past the kernel {kernel}: some windows would see no input")
        room = (in_shape[1] + padding[0] + padding[1] - spans[0], in_shape[2] + padding[2] + padding[3] - spans[1])
        if min(room) < 0:
            raise GraphError(f"kernel {kernel} does not fit into the padded input {list(in_shape)}, padding {padding}")
        if max(in_shape) > _MOST or max(padding) > _MOST or out_c > _MOST:
            raise GraphError(f"input of shape {list(in_shape)} is too large")
        out = tuple(r // s + 1 for r, s in zip(room, stride, strict=True))
        return cls(*in_shape[1:], *out, out_c, *kernel, *stride, *dilation, padding[0], padding[2])

    @property
    def out_pixels(self) -> int:
        return self.out_h * self.out_w

    @property
    def taps(self) -> int:
        """Inputs of one output of a full convolution."""
        return self.kernel_h * self.kernel_w * self.in_c

    @property
    def is_pointwise(self) -> bool:
        """Every output pixel reads exactly the input pixel of the same index."""
        same_size = (self.in_h, self.in_w) == (self.out_h, self.out_w)
        return same_size and (self.kernel_h, self.kernel_w, self.stride_h, self.stride_w) == (1, 1, 1, 1)

    @property
    def is_one_window(self) -> bool:
        """One output pixel whose window is the whole input, in the input's order."""
        return (self.in_h, self.in_w, 1, 1) == (self.kernel_h, self.kernel_w, self.out_h, self.out_w)

    def overlap_of_tiles(self, pixels: int) -> Overlap:
        """The bound for kernels that read all windows of `pixels` output pixels before they write these pixels.

        After the pixels [0, end) have been written, the smallest input byte that a later window reads must still be
        intact. Rows and columns outside the input are not read.
        """
        return _overlap_of_tiles(self, pixels)

    @property
    def c_initialiser(self) -> str:
        return "{" + ", ".join(map(str, astuple(self))) + "}"

    def padded(self, x: np.ndarray, value: int) -> np.ndarray:
        """`x` [B, H, W, C] with `value` around it, as large as the windows reach (cropped if they stop short)."""
        height = (self.out_h - 1) * self.stride_h + (self.kernel_h - 1) * self.dilation_h + 1
        width = (self.out_w - 1) * self.stride_w + (self.kernel_w - 1) * self.dilation_w + 1
        out = np.full((x.shape[0], height, width, x.shape[3]), value, x.dtype)
        rows, columns = min(self.in_h, height - self.pad_top), min(self.in_w, width - self.pad_left)
        out[:, self.pad_top : self.pad_top + rows, self.pad_left : self.pad_left + columns] = x[:, :rows, :columns]
        return out

    def shifted(self, padded: np.ndarray) -> Iterator[tuple[int, int, np.ndarray]]:
        """For every kernel position: (row, column, its input for all output pixels [B, out_h, out_w, C])."""
        for ky in range(self.kernel_h):
            for kx in range(self.kernel_w):
                top, left = ky * self.dilation_h, kx * self.dilation_w
                bottom = top + (self.out_h - 1) * self.stride_h + 1
                right = left + (self.out_w - 1) * self.stride_w + 1
                yield ky, kx, padded[:, top : bottom : self.stride_h, left : right : self.stride_w]

    def rows_needed(self, out_rows: Range) -> Range:
        """Input rows (clipped to the tensor) that output rows depend on."""
        start = out_rows.start * self.stride_h - self.pad_top
        stop = (out_rows.stop - 1) * self.stride_h - self.pad_top + (self.kernel_h - 1) * self.dilation_h + 1
        return Range(max(0, start), min(self.in_h, stop))


@lru_cache(maxsize=4096)
def _overlap_of_tiles(w: Window, pixels: int) -> Overlap:
    rows = np.clip(np.arange(w.out_h) * w.stride_h - w.pad_top, 0, None)
    columns = np.clip(np.arange(w.out_w) * w.stride_w - w.pad_left, 0, None)
    first = ((rows[:, None] * w.in_w + columns[None, :]) * w.in_c).ravel()
    still_needed = np.minimum.accumulate(first[::-1])[::-1]
    ends = np.arange(pixels, w.out_pixels, pixels)
    if not len(ends):
        return Overlap.anywhere()
    return Overlap(int(np.max(ends * w.out_c - still_needed[ends])))


@lru_cache(maxsize=256)
def pooling_overlap(w: Window) -> Overlap:
    """For kernels that write the channels of each pixel in order, one or several after reading all of their windows.

    The output may reach up to the first cell that the same or a later pixel still reads.
    """
    index = np.arange(w.out_pixels)
    rows = np.maximum(index // w.out_w * w.stride_h - w.pad_top, 0)
    columns = np.maximum(index % w.out_w * w.stride_w - w.pad_left, 0)
    starts = (rows * w.in_w + columns) * w.in_c
    needed = np.minimum.accumulate(starts[::-1])[::-1]
    return Overlap(int(np.max(index * w.out_c - needed)))
