"""The trainable network of an `Architecture`: plain layers, which every later stage knows.

Its modules are named so that `trace_layers` gives the layers their names in the architecture: "stem",
"block0_expand", "block0_add", "mean", "classifier".
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from tinyml.architecture import Architecture, Block
from tinyml.architecture.network import Pair, half


def convolution(
    inputs: int, outputs: int, kernel: Pair = (1, 1), stride: Pair = (1, 1), *, groups: int = 1,
    padding: Pair | None = None,
) -> nn.Conv2d:  # fmt: skip
    """A convolution for a batch norm behind it, padded by half of its kernel unless told otherwise.

    Its first weights are PyTorch's own. Their scale is no matter of taste though a batch norm follows: it decides how
    far a step of Adam goes, and the recipe of `train` suits these. Drawn by He et al.'s rule for the fan-out, the
    hand-made DS-CNN lost 3 to 4 points on voices not trained on.
    """
    padding = (half(kernel[0]), half(kernel[1])) if padding is None else padding
    return nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False)


class SearchedBlock(nn.Module):
    """[expand] -> depthwise -> project [-> + input] [-> ReLU] on [B, C, H, W]."""

    def __init__(self, block: Block, inputs: int) -> None:
        super().__init__()
        self.block = block
        hidden = block.hidden or inputs
        if block.hidden:
            self.expand = convolution(inputs, hidden)
            self.expand_norm = nn.BatchNorm2d(hidden)
        self.depthwise = convolution(hidden, hidden, block.kernel, block.stride, groups=hidden)
        self.depthwise_norm = nn.BatchNorm2d(hidden)
        self.project = convolution(hidden, block.channels)
        self.project_norm = nn.BatchNorm2d(block.channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = functional.relu(self.expand_norm(self.expand(x))) if self.block.hidden else x
        y = functional.relu(self.depthwise_norm(self.depthwise(y)))
        y = self.project_norm(self.project(y))
        if self.block.residual:
            y = y + x
        return functional.relu(y) if self.block.relu else y


class SearchedNet(nn.Module):
    """Stem, blocks, an optional head, global mean, linear classifier.

    Input: float [B, C, H, W] (a spectrogram: [B, 1, frames, mel_bins] in dB). Output: float [B, classes] logits.
    """

    def __init__(self, arch: Architecture, dropout: float) -> None:
        super().__init__()
        self.arch = arch
        stem = arch.layers[0]
        self.stem = convolution(stem.in_channels, arch.stem.channels, stem.kernel, stem.stride, padding=stem.padding)
        self.stem_norm = nn.BatchNorm2d(arch.stem.channels)
        channels = arch.stem.channels
        for number, block in enumerate(arch.blocks):
            self.add_module(f"block{number}", SearchedBlock(block, channels))
            channels = block.channels
        if arch.head_channels:
            self.head = convolution(channels, arch.head_channels)
            self.head_norm = nn.BatchNorm2d(arch.head_channels)
            channels = arch.head_channels
        self.mean = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(channels, arch.classes)

    @property
    def blocks(self) -> list[SearchedBlock]:
        return [getattr(self, f"block{number}") for number in range(len(self.arch.blocks))]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.relu(self.stem_norm(self.stem(x)))
        for block in self.blocks:
            x = block(x)
        if self.arch.head_channels:
            x = functional.relu(self.head_norm(self.head(x)))
        return self.classifier(self.dropout(self.flatten(self.mean(x))))


def build_architecture(arch: Architecture, *, seed: int = 0, dropout: float = 0.1) -> SearchedNet:
    """The network of `arch` with weights drawn from `seed`."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return SearchedNet(arch, dropout)
