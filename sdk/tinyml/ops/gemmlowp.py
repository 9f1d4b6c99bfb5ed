"""gemmlowp's fixed-point exponential and reciprocal on int64 arrays that hold int32 values.

Source: gemmlowp fixedpoint/fixedpoint.h (exp_on_negative_values, one_over_one_plus_x_for_x_in_0_1), LiteRT
kernels/internal/common.h (GetReciprocal).
"""

from __future__ import annotations

import numpy as np

EXP_FACTORS = (1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242)  # exp(-2**i), i = -2 .. 4, Q31
_QUARTER_BITS = 24  # of a Q5.26 number
_EXP_EIGHTH, _THIRD = 1895147668, 715827883
_48_OVER_17, _MINUS_32_OVER_17 = 1515870810, -1010580540
_ONE_Q31, _ONE_Q2 = 2**31 - 1, 2**29


def high_product(a: np.ndarray, b: np.ndarray | int) -> np.ndarray:
    """Rounding doubling high product; the operands are never both -2**31."""
    return (np.asarray(a, np.int64) * b + (1 << 30)) >> 31


def rounding_shift(value: np.ndarray, bits: int | np.ndarray) -> np.ndarray:
    """value / 2**bits, halves away from zero."""
    half = (np.int64(1) << bits) >> 1
    return np.where(value >= 0, (value + half) >> bits, -((-value + half) >> bits))


def exp_on_negative_values(value: np.ndarray) -> np.ndarray:
    """exp of values <= 0 in Q5.26, as Q31; exp(0) is 2**31 - 1."""
    value = np.asarray(value, np.int64)
    quarter = np.int64(1) << _QUARTER_BITS
    in_quarter = (value & (quarter - 1)) - quarter
    x = (in_quarter << 5) + (1 << 28)
    square = high_product(x, x)
    cube, fourth = high_product(square, x), high_product(square, square)
    series = rounding_shift(high_product(rounding_shift(fourth, 2) + cube, _THIRD) + square, 1)
    result = _EXP_EIGHTH + high_product(x + series, _EXP_EIGHTH)
    remainder = in_quarter - value
    for index, factor in enumerate(EXP_FACTORS):
        bit = (remainder >> (_QUARTER_BITS + index)) & 1
        result = np.where(bit == 1, high_product(result, factor), result)
    return np.where(value == 0, _ONE_Q31, result)


def reciprocal(total: np.ndarray, integer_bits: int) -> tuple[np.ndarray, np.ndarray]:
    """(Q31 mantissa, bits over one) of 1 / total for totals of at least one with `integer_bits` before the point."""
    total = np.asarray(total, np.int64)
    headroom = 32 - np.frexp(total.astype(np.float64))[1]
    fraction = (total << headroom) - (np.int64(1) << 31)
    half = (fraction + _ONE_Q31 + 1) >> 1
    x = _48_OVER_17 + high_product(half, _MINUS_32_OVER_17)
    for _ in range(3):
        rest = _ONE_Q2 - high_product(half, x)
        x = x + _saturated(high_product(x, rest) << 2)
    return _saturated(x << 1), integer_bits - headroom


def _saturated(value: np.ndarray) -> np.ndarray:
    return np.clip(value, -(2**31), 2**31 - 1)
