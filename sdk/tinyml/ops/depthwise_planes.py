"""How a depthwise layer is cut for the SIMD kernels: which way its planes lie, how many rows they hold at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from tinyml.ops.window import Window

_SCRATCH_STEPS = (2048, 1024, 576, 448)  # bytes that the narrower bands keep to
CHUNK = 6
_MOST = 2**16 - 1  # fits the kernels' uint16
_MOST_BAND = 255  # fits the kernels' uint8


@dataclass(frozen=True)
class Planes:
    """Geometry of `tm_depthwise`. Rows and columns are the tensor's, or the other way round when `turned`.

    `band` output rows are computed from one filling of the planes.
    """

    turned: bool
    in_rows: int
    in_columns: int
    out_rows: int
    out_columns: int
    kernel_rows: int
    kernel_columns: int
    stride_rows: int
    stride_columns: int
    pad_rows: int
    pad_columns: int
    wide: bool
    band: int

    @classmethod
    def of(cls, w: Window, turned: bool, wide: bool, band: int) -> Planes:
        """`wide`: for the kernels of depthwise_wide.h, else those of depthwise3x3.h."""
        pairs = ((w.in_h, w.in_w), (w.out_h, w.out_w), (w.kernel_h, w.kernel_w), (w.stride_h, w.stride_w),
                 (w.pad_top, w.pad_left))  # fmt: skip
        return cls(turned, *(size for pair in pairs for size in (pair[::-1] if turned else pair)), wide, band)

    @property
    def chunks(self) -> int:
        """What a kernel row too long for the kernels is cut into."""
        long = self.kernel_rows == 1 and self.kernel_columns > 7
        return -(-self.kernel_columns // CHUNK) if long else 1

    @property
    def filter_columns(self) -> int:
        """Columns of a kernel row, or of a chunk, as the kernel sees them: filled up with zeros to an odd number.

        Kernels of one row are all filled up to 7: they cost little, and networks that have them have several.
        """
        short = self.kernel_rows == 1 and self.kernel_columns < 7
        return 7 if short or self.chunks > 1 else max(3, self.kernel_columns | 1)

    @property
    def taps(self) -> int:
        """Weights of a channel in the stream."""
        return self.filter_columns * self.kernel_rows * self.chunks

    @property
    def fits(self) -> bool:
        """Whether there are kernels for this, and their struct holds it."""
        columns = self.filter_columns <= 7 and self.stride_columns <= 2
        return columns and self.kernel_rows * self.pitch <= _MOST and max(self.kernel_rows, self.taps // 4 + 4) <= 255

    def filter_taps(self, weights: np.ndarray) -> np.ndarray:
        """[taps, C] as the kernels read them, from weights [kernel height, kernel width, C]."""
        rows = weights.transpose(1, 0, 2) if self.turned else weights
        if self.chunks > 1:
            rows = _fill(rows, self.chunks * CHUNK).reshape(self.chunks, CHUNK, -1)
        return _fill(rows, self.filter_columns).reshape(self.taps, -1)

    @property
    def pitch(self) -> int:
        """Bytes of a row: as far as steps of four outputs (and then of two, unless wide) read, whole words."""
        step = 4 if self.wide else 2
        outputs = step * -(-self.out_columns // step)
        return 2 * (outputs * self.stride_columns + self.filter_columns - 1 + CHUNK * (self.chunks - 1))

    @property
    def plane_bytes(self) -> int:
        return ((self.band - 1) * self.stride_rows + self.kernel_rows) * self.pitch

    @property
    def scratch_bytes(self) -> int:
        """Two planes, and the weights of one channel for the wide kernels."""
        words = self.filter_columns - 1 if self.stride_columns == 1 else (self.filter_columns + 1) // 2
        return 2 * self.plane_bytes + self.wide * 4 * words * self.kernel_rows * self.chunks

    def bands(self) -> Iterator[Planes]:
        """The whole height, then bands of about equal height that keep scratch small, then single rows."""
        limit = min(_MOST_BAND, (_MOST // self.pitch - self.kernel_rows) // self.stride_rows + 1)
        most = -(-self.out_rows // -(-self.out_rows // limit))
        found = [most]
        for scratch_bytes in _SCRATCH_STEPS:
            room = scratch_bytes - self.scratch_bytes + 2 * self.plane_bytes
            fits = (room // (2 * self.pitch) - self.kernel_rows) // self.stride_rows + 1
            if 1 < fits < found[-1]:
                found.append(-(-self.out_rows // -(-self.out_rows // fits)))
        for band in dict.fromkeys((*found, 1)):
            yield replace(self, band=band)

    def may_lie_in_place(self) -> bool:
        """Whether y may lie exactly over x: a pixel's place is written only after its channel has been read.

        Output pixel number n lies over input pixel n. Before the outputs of a band are written, all rows that they
        need have been read.
        """
        same = (self.in_rows, self.in_columns) == (self.out_rows, self.out_columns)
        if self.turned and self.in_rows == self.out_rows == 1:  # all of it is one row, read before anything is written
            return self.out_columns <= self.in_columns and self.pad_rows < self.kernel_rows
        if self.turned:
            return same and self.pad_rows < self.kernel_rows
        for row in range(self.band - 1, self.out_rows - 1, self.band):
            read = (row * self.stride_rows + self.kernel_rows - self.pad_rows) * self.in_columns
            if read < min((row + 1) * self.out_columns, self.in_rows * self.in_columns):
                return False
        read = ((self.out_rows - 1) * self.stride_rows + self.kernel_rows - self.pad_rows) * self.in_columns
        return read >= min(self.out_rows * self.out_columns, self.in_rows * self.in_columns)


def _fill(rows: np.ndarray, columns: int) -> np.ndarray:
    """[R, columns, C] with zeros behind the rows of [R, at most `columns`, C]."""
    filled = np.zeros((rows.shape[0], columns, rows.shape[2]), rows.dtype)
    filled[:, : rows.shape[1]] = rows
    return filled
