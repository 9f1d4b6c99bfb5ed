"""How a depthwise layer is cut for the SIMD kernels: which way its planes lie, how many rows they hold at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from tinyml.ops.window import Window

_SCRATCH_STEPS = (2048, 1024, 440)  # bytes that the narrower bands keep to
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
    band: int

    @classmethod
    def of(cls, w: Window, turned: bool, band: int) -> Planes:
        pairs = ((w.in_h, w.in_w), (w.out_h, w.out_w), (w.kernel_h, w.kernel_w), (w.stride_h, w.stride_w),
                 (w.pad_top, w.pad_left))  # fmt: skip
        return cls(turned, *(size for pair in pairs for size in (pair[::-1] if turned else pair)), band)

    @property
    def pitch(self) -> int:
        """Bytes of a row: as far as steps of four outputs and then of two read, whole words."""
        fours, twos = divmod(self.out_columns, 4)
        steps = self.stride_columns * (4 * fours + 2 * -(-twos // 2))
        return 2 * steps + 4 * ((self.kernel_columns - 1) // 2)

    @property
    def rows(self) -> int:
        return (self.band - 1) * self.stride_rows + self.kernel_rows

    @property
    def scratch_bytes(self) -> int:
        """Two planes."""
        return 2 * self.rows * self.pitch

    def bands(self) -> Iterator[Planes]:
        """The whole height, then bands of about equal height that keep scratch small, then single rows."""
        most = -(-self.out_rows // -(-self.out_rows // _MOST_BAND))
        found = [most]
        for scratch_bytes in _SCRATCH_STEPS:
            fits = (scratch_bytes // (2 * self.pitch) - self.kernel_rows) // self.stride_rows + 1
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
        if self.turned:
            return same and self.pad_rows < self.kernel_rows
        for row in range(self.band - 1, self.out_rows - 1, self.band):
            read = (row * self.stride_rows + self.kernel_rows - self.pad_rows) * self.in_columns
            if read < min((row + 1) * self.out_columns, self.in_rows * self.in_columns):
                return False
        read = ((self.out_rows - 1) * self.stride_rows + self.kernel_rows - self.pad_rows) * self.in_columns
        return read >= min(self.out_rows * self.out_columns, self.in_rows * self.in_columns)
