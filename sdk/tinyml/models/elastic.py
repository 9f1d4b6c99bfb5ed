"""Layers of a supernet: each works with the first channels and the middle of the kernel of one set of weights.

How many channels come in is read off the input. Source: Cai et al., "Once-for-all", 2020; kernels are cropped as
they are, without its transform matrices.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from tinyml.architecture.network import Pair


class ElasticConv(nn.Module):
    """Weights [outputs, inputs, *kernel] of the largest convolution, [outputs, 1, *kernel] of a depthwise one."""

    def __init__(self, inputs: int, outputs: int, kernel: Pair = (1, 1), *, depthwise: bool = False) -> None:
        super().__init__()
        self.depthwise = depthwise
        self.weight = nn.Parameter(torch.empty(outputs, 1 if depthwise else inputs, *kernel))
        taps = kernel[0] * kernel[1] * (1 if depthwise else outputs)  # fan-out
        nn.init.normal_(self.weight, std=(2 / taps) ** 0.5)

    def active(self, inputs: int, outputs: int, kernel: Pair) -> torch.Tensor:
        """A view of the weights of a smaller convolution."""
        rows, columns = (_crop(most, k) for most, k in zip(self.weight.shape[2:], kernel, strict=True))
        return self.weight[:outputs, : 1 if self.depthwise else inputs, rows, columns]

    def forward(self, x: torch.Tensor, outputs: int, kernel: Pair, stride: Pair, padding: Pair) -> torch.Tensor:
        """[B, C, H, W] -> [B, outputs, H', W']; a depthwise one keeps C."""
        weight = self.active(x.shape[1], x.shape[1] if self.depthwise else outputs, kernel)
        weight = weight.contiguous(memory_format=torch.channels_last)
        return functional.conv2d(x, weight, None, stride, padding, 1, x.shape[1] if self.depthwise else 1)


def _crop(most: int, kernel: int) -> slice:
    """The taps of a kernel of `kernel` in one of `most`, such that the taps at the padding's end lie on each other."""
    start = (most - 1) // 2 - (kernel - 1) // 2
    return slice(start, start + kernel)


class ElasticNorm(nn.BatchNorm2d):
    """A batch norm of the first channels."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        n = input.shape[1]
        return functional.batch_norm(
            input, self.running_mean[:n], self.running_var[:n], self.weight[:n], self.bias[:n], self.training,
            self.momentum, self.eps,
        )  # fmt: skip


class ElasticLinear(nn.Linear):
    """A linear layer of the first input features."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return functional.linear(input, self.weight[:, : input.shape[1]], self.bias)


@torch.no_grad()
def copy_conv(shared: ElasticConv, plain: nn.Conv2d) -> None:
    """Copy the shared weights that `plain` stands for into it."""
    plain.weight.copy_(shared.active(plain.in_channels, plain.out_channels, plain.kernel_size))


@torch.no_grad()
def copy_norm(shared: ElasticNorm, plain: nn.BatchNorm2d) -> None:
    """The same for a batch norm, statistics included."""
    n = plain.num_features
    for name in ("weight", "bias", "running_mean", "running_var"):
        getattr(plain, name).copy_(getattr(shared, name)[:n])


@torch.no_grad()
def copy_linear(shared: ElasticLinear, plain: nn.Linear) -> None:
    """The same for a linear layer."""
    plain.weight.copy_(shared.weight[:, : plain.in_features])
    plain.bias.copy_(shared.bias)
