"""Architectures through torch and quantisation, untrained: lowered graphs as a search ends with."""

from __future__ import annotations

import torch
from torch.nn import functional

from tinyml.architecture import Architecture
from tinyml.ir.graph import Graph
from tinyml.ir.tensor import QuantParams
from tinyml.models import build_architecture
from tinyml.quant.lower import lower
from tinyml.quant.network import QatNetwork


def lowered(arch: Architecture, seed: int) -> Graph:
    """Random weights, batch norms that have seen data, calibrated ranges. Channels are mostly above 0, on blobs of many
    strengths: what is always below compiles to nothing, which no cost of shapes alone can know."""
    torch.manual_seed(seed)
    module = build_architecture(arch, seed=seed)
    height, width, channels = arch.geometry.shape
    scale = 0.5 if arch.geometry.hop_ms else 1 / 127
    batches = [_blobs(channels, height, width) * 60 * scale for _ in range(4)]
    module.train()
    with torch.no_grad():
        for norm in module.modules():
            if isinstance(norm, torch.nn.BatchNorm2d):
                norm.weight.uniform_(0.5, 1.5)
                norm.bias.uniform_(0.5, 1.5)
        for x in batches * 8:
            module(x)
    network = QatNetwork.of(module.eval(), QuantParams((scale,), 0), (channels, height, width))
    network.calibrate(batches)
    return lower(network)


def _blobs(channels: int, height: int, width: int) -> torch.Tensor:
    """float [64, C, H, W] of unit size."""
    coarse = torch.randn(64, channels, 4, 4)
    return functional.interpolate(coarse, (height, width), mode="bilinear") * torch.rand(64, 1, 1, 1) * 2
