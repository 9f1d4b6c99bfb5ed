"""Kernel, strides, dilations and padding of ONNX's convolutions and pools, as the graph's operators want them."""

from __future__ import annotations

from dataclasses import dataclass

from tinyml import ops
from tinyml.importers.onnx.convert import Converter
from tinyml.importers.onnx.model import OnnxNode

_SAME = ("SAME_UPPER", "SAME_LOWER")


@dataclass(frozen=True)
class SpatialWindow:
    """Over (height, width), where one spatial axis is the width; `padding` is (top, bottom, left, right)."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    padding: tuple[int, int, int, int]

    @classmethod
    def of(cls, node: OnnxNode, size: tuple[int, ...], kernel: tuple[int, ...], *, dilated: bool) -> SpatialWindow:
        """`size` are the spatial sizes of the input. Raises: OnnxError for attributes that do not fit."""
        axes = len(size)
        ones = (1,) * axes
        stride, dilation = node.ints("strides", ones, axes), node.ints("dilations", ones, axes)
        if len(kernel) != axes or min((*kernel, *stride, *dilation)) < 1:
            raise node.error(f"kernel {list(kernel)}, strides {list(stride)} and dilations {list(dilation)} do not fit "
                             f"{axes} spatial axes")  # fmt: skip
        if not dilated and dilation != ones:
            raise node.error("dilated pooling is not supported", hint="pool without dilation")
        spans = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
        before, after = _pads(node, size, spans, stride)
        if node.int("ceil_mode", 0):
            after = [_ceiled(*each) for each in zip(size, spans, stride, before, after, strict=True)]
        pads = [p for pair in zip(before, after, strict=True) for p in pair]
        front = (1,) * (2 - axes)
        return cls((*front, *kernel), (*front, *stride), (*front, *dilation), (*(0,) * (4 - len(pads)), *pads))

    def reaches_past(self) -> bool:
        """Whether some window could lie in the padding alone, which the graph's operators refuse."""
        spans = [(k - 1) * d + 1 for k, d in zip(self.kernel, self.dilation, strict=True)]
        return max(self.padding[:2]) >= spans[0] or max(self.padding[2:]) >= spans[1]


def _pads(
    node: OnnxNode, size: tuple[int, ...], spans: list[int], stride: tuple[int, ...]
) -> tuple[list[int], list[int]]:
    """Padding before and after each spatial axis."""
    axes, auto = len(size), node.text("auto_pad", "NOTSET")
    if auto not in ("NOTSET", "VALID", *_SAME):
        raise node.error(f"auto_pad `{auto}` does not exist")
    if auto not in _SAME:
        pads = node.ints("pads", (0,) * 2 * axes, 2 * axes) if auto == "NOTSET" else (0,) * 2 * axes
        if min(pads) < 0:
            raise node.error(f"negative pads {list(pads)} are not supported", hint="use Slice")
        return list(pads[:axes]), list(pads[axes:])
    total = [max(0, (-(-n // s) - 1) * s + k - n) for n, k, s in zip(size, spans, stride, strict=True)]
    small, large = [t // 2 for t in total], [t - t // 2 for t in total]
    return (small, large) if auto == "SAME_UPPER" else (large, small)


def _ceiled(size: int, span: int, stride: int, before: int, after: int) -> int:
    """Padding after an axis such that the last, partial window counts; one that starts in the padding does not."""
    room = max(0, size + before + after - span)
    outputs = -(-room // stride) + 1
    if (outputs - 1) * stride >= size + before:
        outputs -= 1
    return max(after, (outputs - 1) * stride + span - size - before)


def padded(
    converter: Converter, node: OnnxNode, value: str, window: SpatialWindow
) -> tuple[str, tuple[int, int, int, int]]:
    """The input [1, H, W, C] of a convolution and the padding that is left to it."""
    if not window.reaches_past():
        return value, window.padding
    top, bottom, left, right = window.padding
    pads = ((0, 0), (top, bottom), (left, right), (0, 0))
    return converter.emit(f"{node.outputs[0]}_padded", node, ops.Pad(pads), value), (0, 0, 0, 0)
