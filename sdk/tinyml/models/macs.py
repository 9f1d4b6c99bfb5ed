"""Multiply-accumulates of a module, counted by running it once."""

from __future__ import annotations

import torch
from torch import nn


def count_macs(module: nn.Module, input_shape: tuple[int, ...]) -> int:
    """MACs of convolutions and linear layers for one input of `input_shape` (without the batch axis)."""
    total = 0

    def count(layer: nn.Module, _: tuple[torch.Tensor, ...], out: torch.Tensor) -> None:
        nonlocal total
        if isinstance(layer, nn.Conv2d):
            total += out[0].numel() * layer.weight[0].numel()
        else:
            total += out[0].numel() * layer.in_features

    layers = [m for m in module.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    handles = [layer.register_forward_hook(count) for layer in layers]
    training = module.training
    try:
        module.eval()
        with torch.no_grad():
            module(torch.zeros(1, *input_shape))
    finally:
        module.train(training)
        for handle in handles:
            handle.remove()
    return total
