"""Strides, dilations and padding of convolutions and pools, as TFLite computes them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from tinyml.importers.tflite import schema
from tinyml.importers.tflite.site import Site


@dataclass(frozen=True)
class WindowOptions:
    """Fields of the options table; pools have no dilations."""

    padding: IntEnum
    stride_h: IntEnum
    stride_w: IntEnum
    dilation_h: IntEnum | None = None
    dilation_w: IntEnum | None = None


@dataclass(frozen=True)
class SlidingWindow:
    """(height, width) pairs, and padding as (top, bottom, left, right)."""

    stride: tuple[int, int]
    dilation: tuple[int, int]
    padding: tuple[int, int, int, int]


def read_window(site: Site, fields: WindowOptions, kernel: tuple[int, int]) -> SlidingWindow:
    """The window of `site` over its input 0 [1, H, W, C]. Raises: ModelError."""
    site.require_options()
    shape = site.tensor(0).shape
    if len(shape) != 4:
        raise site.error(f"its input has the shape {list(shape)}, not [1, height, width, channels]")
    stride = (site.option(fields.stride_h, "int32"), site.option(fields.stride_w, "int32"))
    dilation = (1, 1)
    if fields.dilation_h is not None:
        dilation = (site.option(fields.dilation_h, "int32", 1), site.option(fields.dilation_w, "int32", 1))
    if min(*stride, *dilation, *kernel) < 1:
        raise site.error(f"kernel {kernel}, strides {stride} and dilations {dilation} must be positive")
    if site.choice(fields.padding, schema.PADDINGS) == "VALID":
        return SlidingWindow(stride, dilation, (0, 0, 0, 0))
    padding = [_same(n, k, s, d) for n, k, s, d in zip(shape[1:3], kernel, stride, dilation, strict=True)]
    return SlidingWindow(stride, dilation, (*padding[0], *padding[1]))


def _same(size: int, kernel: int, stride: int, dilation: int) -> tuple[int, int]:
    """(before, after) along one axis: an odd row goes behind. Source: LiteRT padding.h ComputePaddingWithOffset."""
    outputs = -(-size // stride)
    total = max(0, (outputs - 1) * stride + (kernel - 1) * dilation + 1 - size)
    return total // 2, total - total // 2
