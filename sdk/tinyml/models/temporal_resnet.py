"""A temporal residual network: mel bins are the channels of one-dimensional convolutions over time.

Source: Choi et al., "Temporal Convolution for Real-time Keyword Spotting on Mobile Devices", 2019 (TC-ResNet8; the
window of 49 frames is this project's). Time is the height and the width is 1 behind the stem, so that two-dimensional
kernels run it.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from tinyml.architecture.network import rounded
from tinyml.errors import ProjectError
from tinyml.models.searched import convolution

STEM_CHANNELS = 16
# (out_channels, time stride) of each residual block at width_mult 1.
BLOCKS: tuple[tuple[int, int], ...] = ((24, 2), (32, 2), (48, 2))
KERNEL = 9


class ResidualBlock(nn.Module):
    """Two convolutions of 9 frames beside the input, which a 1x1 convolution brings to shape where it must be."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.reshapes = stride > 1 or inputs != outputs
        if self.reshapes:
            self.shortcut = convolution(inputs, outputs, (1, 1), (stride, 1))
            self.shortcut_norm = nn.BatchNorm2d(outputs)
        self.first = convolution(inputs, outputs, (KERNEL, 1), (stride, 1))
        self.first_norm = nn.BatchNorm2d(outputs)
        self.second = convolution(outputs, outputs, (KERNEL, 1))
        self.second_norm = nn.BatchNorm2d(outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        beside = functional.relu(self.shortcut_norm(self.shortcut(x))) if self.reshapes else x
        y = functional.relu(self.first_norm(self.first(x)))
        return functional.relu(self.second_norm(self.second(y)) + beside)


class TemporalResNet(nn.Module):
    """Input: float [B, 1, frames, mel_bins] in dB. Output: float [B, classes] logits."""

    def __init__(
        self, mel_bins: int, classes: int, stem_channels: int, blocks: tuple[tuple[int, int], ...], dropout: float
    ) -> None:
        super().__init__()
        self.stem = convolution(1, stem_channels, (3, mel_bins), padding=(1, 0))
        self.stem_norm = nn.BatchNorm2d(stem_channels)
        body, channels = [], stem_channels
        for outputs, stride in blocks:
            body.append(ResidualBlock(channels, outputs, stride))
            channels = outputs
        self.body = nn.Sequential(*body)
        self.mean = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(channels, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.body(functional.relu(self.stem_norm(self.stem(x))))
        return self.classifier(self.dropout(self.flatten(self.mean(x))))


def temporal_resnet(
    input_shape: tuple[int, int] = (49, 40), classes: int = 12, width_mult: float = 1.0, depth: int = len(BLOCKS),
    dropout: float = 0.1,
) -> TemporalResNet:  # fmt: skip
    """The keyword-spotting network for windows of `input_shape` = (frames, mel_bins).

    `width_mult` scales the channels (rounded to multiples of 4); `depth` is the number of residual blocks: beyond the
    default, blocks of the last width without stride are added. At the defaults an inference costs less than 0.9 million
    multiply-accumulates.
    Raises: ProjectError for fewer than two classes, a width_mult outside (0, 8], or windows below 8 x 8.
    """
    if classes < 2 or not 0 < width_mult <= 8 or not 1 <= depth <= 16 or min(input_shape) < 8:
        raise ProjectError(
            f"temporal_resnet cannot be built for {classes} classes, windows of {input_shape}, width_mult "
            f"{width_mult}, depth {depth}",
            hint="use at least 2 classes, 8 x 8 windows, width_mult up to 8 and a depth of 1 to 16",
        )
    blocks = (BLOCKS + ((BLOCKS[-1][0], 1),) * depth)[:depth]
    scaled = tuple((rounded(width * width_mult), stride) for width, stride in blocks)
    return TemporalResNet(input_shape[1], classes, rounded(STEM_CHANNELS * width_mult), scaled, dropout)
