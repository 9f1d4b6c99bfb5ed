"""From observed values to the scale and zero point of an activation."""

from __future__ import annotations

import torch

_CANDIDATES = 40
_MOST_VALUES = 1 << 16


def sample(values: torch.Tensor) -> torch.Tensor:
    """At most 65,536 of the values, evenly spread: enough for a range, cheap to sort."""
    flat = values.detach().flatten()
    return flat[:: max(1, flat.numel() // _MOST_VALUES)]


def best_range(values: torch.Tensor) -> tuple[float, float]:
    """The range (low <= 0 <= high) whose 256 steps represent `values` with the least squared error.

    Candidates shrink the full range in steps; clipping rare peaks pays when it makes all other steps finer.
    """
    low, high = min(0.0, float(values.min())), max(0.0, float(values.max()))
    if high - low < 1e-12:
        return 0.0, 1.0
    best = (float("inf"), low, high)
    for i in range(_CANDIDATES):
        factor = 1 - 0.7 * i / _CANDIDATES
        scale, zero = affine(low * factor, high * factor)
        steps = (values / scale + zero).round().clamp(-128, 127)
        error = float((((steps - zero) * scale - values) ** 2).mean())
        if error < best[0]:
            best = (error, low * factor, high * factor)
    return best[1], best[2]


def affine(low: float, high: float) -> tuple[float, int]:
    """Scale (float32-representable) and zero point in -128..127 that cover low <= 0 <= high with 255 steps."""
    scale = float(torch.tensor((high - low) / 255, dtype=torch.float32))
    return scale, max(-128, min(127, round(-128 - low / scale)))
