"""Torch twin of `ir.requantize` for the rounding `high`, bit for bit, and of the operators' rounded mean.

Everything is int64 or exact float64; nothing here has a gradient.
"""

from __future__ import annotations

import torch


def power_of_two(exponent: torch.Tensor) -> torch.Tensor:
    """2.0 ** exponent as float64, exactly, for integers in -1022..1023 (no library pow is trusted with that)."""
    return ((exponent.to(torch.int64) + 1023) << 52).view(torch.float64)


def quantize_multiplier(real: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(multiplier, left shift) int64 of float64 scales in (0, 65536): real = multiplier * 2**(shift - 32)."""
    exponent = torch.frexp(real)[1].to(torch.int64)
    shift = (exponent + 1).clamp(min=0)
    multiplier = torch.round(real * power_of_two(32 - shift)).to(torch.int64)
    full = multiplier == 2**31
    return torch.where(full, 2**30, multiplier), shift + full


def requantize(acc: torch.Tensor, multiplier: torch.Tensor, shift: torch.Tensor) -> torch.Tensor:
    """`(acc * 2**shift * multiplier + 2**31) >> 32` on int64, the shift saturating at int32; shapes broadcast."""
    shifted = (acc << shift).clamp(-(2**31), 2**31 - 1)
    return (shifted * multiplier + 2**31) >> 32


def rounded_mean(total: torch.Tensor, count: int) -> torch.Tensor:
    """`total / count` rounded half away from zero, int64."""
    return total.sign() * ((total.abs() + count // 2) // count)
