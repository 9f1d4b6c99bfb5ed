"""Batch-norm statistics of one network of a supernet: those of the shared weights belong to all and to none."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import nn

from tinyml.ir.tensor import QuantParams
from tinyml.train.metrics import dequantize

BATCHES, BATCH_SIZE = 20, 64
"""The samples that are enough. Source: Lin et al., "MCUNet", 2020."""


@torch.no_grad()
def recalibrate(module: nn.Module, batches: Iterable[torch.Tensor]) -> nn.Module:
    """Set all batch norms of `module` to the means of the statistics of `batches`; returns it in evaluation mode.

    What the statistics were does not matter. The same batches give the same result exactly.
    """
    norms = [m for m in module.modules() if isinstance(m, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    module.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the cumulative average
        norm.train()
    for x in batches:
        module(x)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    return module.eval()


def spread(examples: int) -> np.ndarray:
    """Indices of up to 20 x 64 examples, evenly spread over that many."""
    count = min(BATCHES * BATCH_SIZE, examples)
    return np.arange(count) * examples // max(1, count)


def calibration_batches(x: np.ndarray, input_quant: QuantParams) -> list[torch.Tensor]:
    """Up to 20 batches of 64 of the examples, spread evenly over them."""
    chosen = spread(len(x))
    mixed = np.random.default_rng(0).permutation(chosen)  # examples often lie sorted by class
    parts = np.array_split(mixed, max(1, round(len(chosen) / BATCH_SIZE)))
    return [dequantize(x[part], input_quant).contiguous(memory_format=torch.channels_last) for part in parts]
