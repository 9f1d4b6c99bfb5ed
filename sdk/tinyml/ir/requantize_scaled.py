"""Requantisation in four instructions: any rounding of `requantize` as one truncating high multiply and one shift.

A kernel that leaves its accumulator S scaled, A = S * 2**scale_bits, gets the output by

    saturate(((A * multiplier >> 32) + offset) >> right)                   (SMMLA, ASR, SSAT)

because nested floors compose: floor((floor(v) + k) / n) = floor((v + k) / n). `offset` carries both of gemmlowp's
roundings and the zero point. gemmlowp's second rounding sends ties away from zero; where negative results survive the
activation (`needs_negative_fix`), `(A >> 31) << (scale_bits - 1)` is added before the shift, which is gemmlowp's
threshold of one more for negative numbers. It must be left out of channels without a second rounding (shift >= 0).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tinyml.ir.requantize import Rounding

_INT32_MAX = 2**31 - 1


@dataclass(frozen=True)
class ScaledRequantization:
    """Per channel int32 arrays; `right` is 0..31."""

    multiplier: np.ndarray
    offset: np.ndarray
    right: np.ndarray


def needs_negative_fix(rounding: Rounding, shift: np.ndarray, act_min: int, zero_point: int) -> bool:
    """Whether negative results of some channel (shift < 0) are rounded differently and can be seen in the output."""
    return rounding == "double" and act_min < zero_point and bool(np.any(np.asarray(shift) < 0))


def scaled_requantization(
    multiplier: np.ndarray, shift: np.ndarray, rounding: Rounding, zero_point: int, scale_bits: int,
    largest_accumulator: int,
) -> ScaledRequantization | None:
    """Constants for accumulators scaled by 2**scale_bits, or None when they do not fit 32 bits.

    `multiplier` and `shift` are those of `quantize_multiplier`, `largest_accumulator` bounds |S| (unscaled).
    """
    if largest_accumulator << scale_bits > _INT32_MAX:
        return None
    m, n = np.asarray(multiplier, np.int64), -np.asarray(shift, np.int64)
    largest = largest_accumulator * np.exp2(np.maximum(-n, 0))
    if rounding == "high":
        right, first, second = scale_bits + n, scale_bits + n - 1, None
    elif rounding == "single":
        right, first, second = scale_bits - 1 + n, scale_bits - 2 + n, None
    else:
        right, first = scale_bits - 1 + n, scale_bits - 2 + np.minimum(n, 0)
        second = np.where(n > 0, scale_bits - 2 + n, -1)
    if np.any(first < 0) or np.any(right > 31) or np.any(largest > _INT32_MAX):
        return None
    offset = (np.int64(1) << first) + (np.int64(zero_point) << right)
    if second is not None:
        offset = offset + np.where(second >= 0, np.int64(1) << np.maximum(second, 0), 0)
    reach = ((largest_accumulator << scale_bits) * m >> 32) + (1 << scale_bits) + np.abs(offset)
    if np.any(reach > _INT32_MAX):
        return None
    return ScaledRequantization(m.astype(np.int32), offset.astype(np.int32), right.astype(np.int32))
