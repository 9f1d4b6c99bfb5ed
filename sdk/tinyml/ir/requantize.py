"""Requantisation: from an int32 accumulator to an int8 activation, exactly as the C kernels do it.

Three roundings exist because the result must equal what the network was trained or exported with:

`high`    networks trained here: one rounded high multiply, `(acc * 2**left * m + 2**31) >> 32` (SMMULR).
`double`  LiteRT convolutions: saturating rounding doubling high multiply, then a rounding right shift.
`single`  LiteRT fully connected: `round(acc * real)` in float64, half away from zero. As integers it is one rounding
          over the whole shift of the 64-bit product, with a multiplier that makes both agree.

Source: gemmlowp fixedpoint.h (double), LiteRT integer_ops/fully_connected.h (single), Armv7-M ARM A7.7 SMMULR (high).
"""

from __future__ import annotations

from functools import lru_cache
from math import floor, frexp
from typing import Literal

import numpy as np

Rounding = Literal["high", "double", "single"]
_HALVES = np.arange(256) + 0.5


@lru_cache(maxsize=2**14)
def quantize_multiplier(real: float, rounding: Rounding) -> tuple[int, int]:
    """Integer (multiplier, left shift) of a positive real scale.

    For `high`, real = multiplier * 2**(shift - 32) with 0 <= shift and multiplier < 2**31. For the others,
    real = multiplier * 2**(shift - 31) with multiplier in [2**30, 2**31) and shift of either sign.
    Raises: ValueError when `real` is not positive or too large for the accumulator's headroom.
    """
    if not 0 < real < 2.0**16:
        raise ValueError(f"requantisation scale {real} is outside (0, 65536)")
    if rounding == "high":
        shift = max(0, frexp(real)[1] + 1)
        multiplier = round(real * 2.0 ** (32 - shift))
        if multiplier == 2**31:
            multiplier, shift = 2**30, shift + 1
        return multiplier, shift
    if rounding == "single":
        return _single_multiplier(real)[:2]
    fraction, shift = frexp(real)
    multiplier = floor(fraction * 2.0**31 + 0.5)
    if multiplier == 2**31:
        multiplier, shift = 2**30, shift + 1
    return (0, 0) if shift < -31 else (multiplier, shift)


def single_exact_below(real: float) -> int:
    """`single` equals the float64 formula for all accumulators of smaller magnitude (at most 2**31)."""
    return _single_multiplier(real)[2]


@lru_cache(maxsize=2**16)
def _single_multiplier(real: float) -> tuple[int, int, int]:
    """(multiplier, left shift, magnitude of accumulators below which the result is exact).

    Outputs change where `acc * real` passes k + 0.5, first at the integer `step`. The rounded product changes there
    too, on both sides of zero, exactly if the multiplier lies strictly between `half / step` and `half / (step - 1)`.
    Those quotients stay below 2**31, where float64 can only err towards a narrower interval.
    """
    fraction, shift = frexp(real)
    if shift < -31:
        return 0, 0, 2**31
    half = _HALVES * 2.0 ** (31 - shift)
    step = np.ceil(_HALVES / real)
    step += step * real < _HALVES  # the quotient is rounded, what counts is the rounded product
    step -= (step - 1) * real >= _HALVES
    with np.errstate(divide="ignore"):
        low = np.where(step < 2**31, np.floor(half / step) + 1, 0)
        high = np.where((step > 1) & (step < 2**31), np.ceil(half / (step - 1)) - 1, 2**31 - 1)
    low, high = np.maximum.accumulate(np.maximum(low, 2**30)), np.minimum.accumulate(np.minimum(high, 2**31 - 1))
    exact = int(np.sum(low <= high))  # so many outputs on either side of zero
    nominal = floor(fraction * 2.0**31 + 0.5)
    multiplier = min(max(nominal, int(low[exact - 1])), int(high[exact - 1])) if exact else min(nominal, 2**31 - 1)
    return multiplier, shift, 2**31 if exact == len(_HALVES) else max(1, int(step[exact]) - 1)


def requantize(acc: np.ndarray, multiplier: np.ndarray, shift: np.ndarray, rounding: Rounding) -> np.ndarray:
    """Scale int32 accumulators (any shape; multiplier and shift broadcast over the last axis) to int64 integers.

    The caller adds the zero point and clamps to int8. Left shifts saturate at int32, as QADD does; what saturates
    lies far outside int8 after scaling, so the clamped result is that of unlimited integers.
    """
    acc, multiplier, shift = (np.asarray(v, np.int64) for v in (acc, multiplier, shift))
    if rounding == "high":
        return (_shift_left(acc, shift) * multiplier + (1 << 31)) >> 32
    if rounding == "single":
        total = 31 - shift
        return (acc * multiplier + (np.int64(1) << (total - 1))) >> total
    left, right = np.maximum(shift, 0), np.maximum(-shift, 0)
    product = _shift_left(acc, left) * multiplier
    nudge = np.where(product >= 0, 1 << 30, 1 - (1 << 30))
    high = product + nudge  # division by 2**31 truncates towards zero
    high = np.where(high >= 0, high >> 31, -((-high) >> 31))
    mask = (np.int64(1) << right) - 1
    threshold = (mask >> 1) + (high < 0)
    return (high >> right) + ((high & mask) > threshold)


def _shift_left(acc: np.ndarray, shift: np.ndarray) -> np.ndarray:
    return np.clip(acc << shift, -(2**31), 2**31 - 1)
