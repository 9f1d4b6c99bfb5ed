"""`Architecture`: a convolutional network of blocks around depthwise convolutions, without weights.

Every network of the search is one: inverted residuals (vision), separable 2-D convolutions and temporal ones (audio).

    stem convolution + ReLU -> blocks -> [1x1 head convolution + ReLU] -> global mean -> fully connected -> scores

A block is: [1x1 convolution to `hidden` channels + ReLU] -> depthwise convolution + ReLU -> 1x1 convolution to
`channels` (-> + input, when `residual`) (-> ReLU, when `relu`). Every convolution has a batch norm, which is folded
before it is lowered. Kernels are padded by half of themselves, (k - 1) // 2 on each side, except along axes that a stem
collapses.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

Pair = tuple[int, int]
"""(along the height: time in a spectrogram; along the width: frequency)."""


@dataclass(frozen=True)
class Geometry:
    """The input [height, width, channels]: an image, or `height` frames of `width` mel bins, `hop_ms` apart."""

    height: int
    width: int
    channels: int = 1
    hop_ms: float | None = None

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.height, self.width, self.channels

    @property
    def title(self) -> str:
        """As messages and figures have it."""
        if self.hop_ms is None:
            return f"{self.height}x{self.width}x{self.channels}"
        return f"{self.width} mel x {self.height} frames of {self.hop_ms:g} ms"


@dataclass(frozen=True)
class Stem:
    """The first convolution. `collapse`: its kernel spans the whole width, unpadded there; `kernel[1]` is ignored."""

    channels: int
    kernel: Pair
    stride: Pair
    collapse: bool = False


@dataclass(frozen=True)
class Block:
    """`hidden`: channels of the depthwise convolution when a 1x1 convolution expands to them, 0 without one."""

    kernel: Pair
    stride: Pair
    hidden: int
    channels: int
    residual: bool
    relu: bool


@dataclass(frozen=True)
class Layer:
    """One operator of the network. `kind`: conv, depthwise, add, mean or linear. `inputs` are layers or "input";
    `shape` is the output's [height, width, channels] ([channels] behind the mean). An addition's second input is the
    block's own."""

    name: str
    kind: str
    inputs: tuple[str, ...]
    shape: tuple[int, ...]
    in_channels: int
    kernel: Pair = (1, 1)
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    relu: bool = False

    @property
    def macs(self) -> int:
        """Multiply-accumulates."""
        if self.kind in ("add", "mean"):
            return 0
        each = prod(self.kernel) * (1 if self.kind == "depthwise" else self.in_channels)
        return prod(self.shape) * each

    @property
    def weights(self) -> int:
        """Elements of the weights, biases not counted."""
        if self.kind in ("add", "mean"):
            return 0
        return prod(self.kernel) * self.shape[-1] * (1 if self.kind == "depthwise" else self.in_channels)


@dataclass(frozen=True)
class Architecture:
    """A whole network. `head_channels` 0: no head convolution."""

    geometry: Geometry
    classes: int
    stem: Stem
    blocks: tuple[Block, ...]
    head_channels: int = 0

    def __post_init__(self) -> None:
        """Raises: ValueError for a residual block that changes its shape, or sizes that are not positive."""
        channels = self.stem.channels
        for number, block in enumerate(self.blocks):
            if block.residual and (block.channels != channels or block.stride != (1, 1)):
                raise ValueError(f"block {number} is residual and changes its input's shape")
            channels = block.channels
        sizes = (*self.geometry.shape, self.classes, self.stem.channels, *(b.channels for b in self.blocks))
        if min(sizes) < 1 or any(k % 2 == 0 for b in self.blocks for k in b.kernel):
            raise ValueError("sizes must be positive and kernels of blocks odd")

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Every operator, in the order of execution."""
        return tuple(self._layers())

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one inference."""
        return sum(layer.macs for layer in self.layers)

    @property
    def weights(self) -> int:
        return sum(layer.weights for layer in self.layers)

    def _layers(self) -> Iterator[Layer]:
        height, width, channels = self.geometry.shape
        kernel = (self.stem.kernel[0], width) if self.stem.collapse else self.stem.kernel
        padding = (half(kernel[0]), 0 if self.stem.collapse else half(kernel[1]))
        shape = (*reduced((height, width), kernel, self.stem.stride, padding), self.stem.channels)
        yield Layer("stem", "conv", ("input",), shape, channels, kernel, self.stem.stride, padding, relu=True)
        last = "stem"
        for number, block in enumerate(self.blocks):
            for layer in _block_layers(f"block{number}", block, last, shape):
                yield layer
                last, shape = layer.name, layer.shape
        if self.head_channels:
            yield Layer("head", "conv", (last,), (*shape[:2], self.head_channels), shape[2], relu=True)
            last, shape = "head", (*shape[:2], self.head_channels)
        yield Layer("mean", "mean", (last,), (shape[2],), shape[2])
        yield Layer("classifier", "linear", ("mean",), (self.classes,), shape[2])


def _block_layers(name: str, block: Block, source: str, shape: tuple[int, ...]) -> Iterator[Layer]:
    """The operators of a block that reads `source` of `shape`."""
    entry, last = (source, shape), source
    if block.hidden:
        yield Layer(f"{name}_expand", "conv", (last,), (*shape[:2], block.hidden), shape[2], relu=True)
        last, shape = f"{name}_expand", (*shape[:2], block.hidden)
    padding = (half(block.kernel[0]), half(block.kernel[1]))
    spatial = reduced(shape[:2], block.kernel, block.stride, padding)
    yield Layer(f"{name}_depthwise", "depthwise", (last,), (*spatial, shape[2]), shape[2], block.kernel, block.stride,
                padding, relu=True)  # fmt: skip
    out = (*spatial, block.channels)
    relu = block.relu and not block.residual
    yield Layer(f"{name}_project", "conv", (f"{name}_depthwise",), out, shape[2], relu=relu)
    if block.residual:
        yield Layer(f"{name}_add", "add", (f"{name}_project", entry[0]), entry[1], block.channels, relu=block.relu)


def rounded(channels: float) -> int:
    """Channels to the nearest multiple of 4, what the kernels read at a time; at least 4."""
    return max(4, int(channels + 2) // 4 * 4)


def half(kernel: int) -> int:
    """The padding on each side of an axis along which the kernel has that many taps."""
    return (kernel - 1) // 2


def reduced(size: Pair, kernel: Pair, stride: Pair, padding: Pair) -> Pair:
    """Height and width of a convolution's output."""
    rows, columns = ((n + 2 * p - k) // s + 1 for n, k, s, p in zip(size, kernel, stride, padding, strict=True))
    return rows, columns
