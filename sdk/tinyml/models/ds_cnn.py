"""DS-CNN: a depthwise-separable network over log-mel windows, sized for five inferences a second on a Cortex-M4.

Source: Zhang et al., "Hello Edge: Keyword Spotting on Microcontrollers", 2017 (the block); the strides and widths
are this project's own.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import nn

from tinyml.architecture.network import rounded
from tinyml.errors import ProjectError

# (out_channels, (time stride, frequency stride)) of each depthwise-separable block at width_mult 1.
BLOCKS: tuple[tuple[int, tuple[int, int]], ...] = (
    (24, (1, 2)),
    (48, (2, 1)),
    (64, (1, 2)),
    (96, (2, 1)),
    (96, (1, 1)),
)
STEM_CHANNELS = 16


def _conv_bn_relu(
    inputs: int, outputs: int, kernel: tuple[int, int], stride: tuple[int, int] = (1, 1), *, depthwise: bool = False
) -> nn.Sequential:
    padding = ((kernel[0] - 1) // 2, (kernel[1] - 1) // 2)
    conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=inputs if depthwise else 1, bias=False)
    return nn.Sequential(OrderedDict(conv=conv, bn=nn.BatchNorm2d(outputs), relu=nn.ReLU()))


class DsCnn(nn.Module):
    """Stem convolution, depthwise-separable blocks, global average, linear classifier.

    Input: float [B, 1, frames, mel_bins], mean-removed log-mel energies in dB. No normalising layer is needed:
    the batch norm behind the stem absorbs the unit. Output: float [B, classes] logits.
    """

    def __init__(
        self, classes: int, stem_channels: int, blocks: tuple[tuple[int, tuple[int, int]], ...], dropout: float
    ) -> None:
        super().__init__()
        self.stem = _conv_bn_relu(1, stem_channels, (5, 5), (2, 2))
        body, width = [], stem_channels
        for outputs, stride in blocks:
            body += [_conv_bn_relu(width, width, (3, 3), stride, depthwise=True), _conv_bn_relu(width, outputs, (1, 1))]
            width = outputs
        self.body = nn.Sequential(*body)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(width, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.dropout(self.flatten(self.pool(self.body(self.stem(x))))))


def ds_cnn(
    input_shape: tuple[int, int] = (49, 40), classes: int = 12, width_mult: float = 1.0, depth: int = len(BLOCKS),
    dropout: float = 0.1,
) -> DsCnn:  # fmt: skip
    """The keyword-spotting network for windows of `input_shape` = (frames, mel_bins).

    `width_mult` scales the channels (rounded to multiples of 4); `depth` is the number of depthwise-separable
    blocks: beyond the default, blocks of the last width without stride are added. At the defaults an
    inference costs less than 1.4 million multiply-accumulates (see `count_macs`).
    Raises: ProjectError for fewer than two classes, a width_mult outside (0, 8], or windows below 8 x 8.
    """
    if classes < 2 or not 0 < width_mult <= 8 or not 1 <= depth <= 16 or min(input_shape) < 8:
        raise ProjectError(
            f"ds_cnn cannot be built for {classes} classes, windows of {input_shape}, width_mult {width_mult}, "
            f"depth {depth}",
            hint="use at least 2 classes, 8 x 8 windows, width_mult up to 8 and a depth of 1 to 16",
        )
    blocks = (BLOCKS + ((BLOCKS[-1][0], (1, 1)),) * depth)[:depth]
    scaled = tuple((rounded(width * width_mult), stride) for width, stride in blocks)
    return DsCnn(classes, rounded(STEM_CHANNELS * width_mult), scaled, dropout)
