"""Batch-norm folding: a convolution and the batch norm behind it as one convolution with bias."""

from __future__ import annotations

import torch

from tinyml.models.trace import Layer


def folded(layer: Layer) -> tuple[torch.Tensor, torch.Tensor]:
    """Copies of weight and bias [O] of a conv or linear layer, with its batch norm (running statistics) folded in."""
    module, norm = layer.module, layer.norm
    weight = module.weight.detach().double()
    bias = torch.zeros(len(weight), dtype=torch.float64) if module.bias is None else module.bias.detach().double()
    if norm is not None:
        factor = (norm.running_var.double() + norm.eps).rsqrt()
        if norm.affine:
            factor = factor * norm.weight.detach().double()
        bias = (bias - norm.running_mean.double()) * factor
        if norm.affine:
            bias = bias + norm.bias.detach().double()
        weight = weight * factor.view(-1, *[1] * (weight.ndim - 1))
    return weight.float(), bias.float()
