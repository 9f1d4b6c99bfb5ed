"""Packing for the SIMD depthwise kernels: the stream that `depthwise.h` describes.

Inputs are centred, so padding is zero and the bias holds no zero point. Weights are int16 in the kernels, which leaves
up to eight bits to scale sums by, as `requantize_scaled` wants it. Either all channels are scaled by 4 and have each
their own shift, or every channel is scaled by what brings its shift to RIGHT: then the shift is part of SSAT.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tinyml.ir.requantize import Rounding
from tinyml.ir.requantize_scaled import scaled_requantization
from tinyml.ops.scaling import Multipliers

RIGHT = 10  # TM_DEPTHWISE_RIGHT
_BITS = 2
_MOST_BITS = 8
_SATURATES = 512  # outputs this far from the zero point are clamped, whatever it is


@dataclass(frozen=True)
class Scale:
    """The real scale of every channel, multiplier * 2**(-31 - n) with a multiplier in [2**30, 2**31), or 0."""

    multiplier: np.ndarray
    n: np.ndarray
    rounding: Rounding

    @classmethod
    def of(cls, scale: Multipliers, rounding: Rounding) -> Scale:
        """`high` rounds once, half up: that is `single` under another name of the multiplier."""
        m, shift = scale.multiplier.astype(np.int64), scale.shift.astype(np.int64)
        if rounding == "high":
            up = 31 - np.array([int(v).bit_length() for v in m])
            m, n, rounding = m << up, up + 1 - shift, "single"
        else:
            n = -shift
        return cls(m, np.where(m == 0, RIGHT - 1, n), rounding)

    @property
    def fits_fixed(self) -> bool:
        return bool(self.n.min() >= RIGHT + 1 - _MOST_BITS and self.n.max() <= RIGHT + 1 - _BITS)

    @property
    def fits_shifts(self) -> bool:
        return bool(self.n.min() >= 0 and self.n.max() < 30)


def stream_words(taps: int) -> int:
    """Words of one channel: bias, multiplier, weights and shift."""
    return 2 + -(-(taps + 1) // 4)


@dataclass(frozen=True)
class Channels:
    """Per channel int64 arrays: bias, multiplier, scale_bits and right shift as `scaled_requantization` gives them."""

    bias: np.ndarray
    multiplier: np.ndarray
    bits: np.ndarray
    right: np.ndarray

    @classmethod
    def of(
        cls, weights: np.ndarray, bias: np.ndarray, in_zero_point: int, scale: Scale, out_zero_point: int, fixed: bool
    ) -> Channels | None:
        """For weights int8 [taps, C] and bias int32 [C]; None where a constant does not fit. `fixed`: see above."""
        reach = max(127 - in_zero_point, in_zero_point + 128) * np.abs(weights.astype(np.int64)).sum(axis=0)
        real = scale.multiplier * np.exp2(-31.0 - scale.n)
        # A bias beyond this saturates whatever the inputs are, so that it may be brought nearer.
        limit = reach + np.minimum(np.ceil(_SATURATES / np.maximum(real, 2.0**-40)), 2**40).astype(np.int64)
        bias = np.clip(bias.astype(np.int64), -limit, limit)
        bits = RIGHT + 1 - scale.n if fixed else np.full(len(bias), _BITS)
        right = np.zeros(len(bias), np.int64)
        for value in np.unique(bits):
            chosen = bits == value
            constants = scaled_requantization(
                scale.multiplier[chosen], -scale.n[chosen], scale.rounding, out_zero_point, int(value),
                int((reach + np.abs(bias))[chosen].max()),
            )  # fmt: skip
            if constants is None:
                return None
            right[chosen] = constants.right
        return cls(bias, scale.multiplier, bits, right)


def depthwise_stream(weights: np.ndarray, channels: Channels, kind: str) -> np.ndarray:
    """The int32 stream of weights int8 [taps, C].

    `kind`: "fixed" or "shifts" as above, or "wide", whose sums are scaled by 4 at the end.
    """
    bias = channels.bias << (0 if kind == "wide" else channels.bits)
    return _words(weights, bias, channels.multiplier, channels.bits if kind == "fixed" else channels.right)


def dot_stream(weights: np.ndarray, channels: Channels, in_zero_point: int) -> np.ndarray:
    """The int32 stream of depthwise_dot.h for weights int8 [taps, C], C a multiple of 4."""
    taps, count = weights.shape
    fours = count // 4
    bias = (channels.bias - in_zero_point * weights.astype(np.int64).sum(axis=0)).astype(np.int32)
    pairs = np.zeros((fours, (taps + 1) // 2, 2, 2, 2), np.int8)  # [four, taps / 2, half of the four, tap, channel]
    even = weights[::2].reshape(-1, fours, 2, 2).transpose(1, 0, 2, 3)
    odd = weights[1::2].reshape(-1, fours, 2, 2).transpose(1, 0, 2, 3)
    pairs[:, :, :, 0], pairs[:, : taps // 2, :, 1] = even, odd
    parts = (
        bias.reshape(fours, 4), channels.multiplier.astype(np.int32).reshape(fours, 4),
        channels.right.astype(np.int8).reshape(fours, 4).view("<i4"), pairs.reshape(fours, -1).view("<i4"),
    )  # fmt: skip
    return np.concatenate(parts, axis=1).ravel().astype(np.int32)


def _words(weights: np.ndarray, bias: np.ndarray, multiplier: np.ndarray, shift: np.ndarray) -> np.ndarray:
    taps, channels = weights.shape
    tail = np.zeros((channels, 4 * (stream_words(taps) - 2)), np.int8)
    tail[:, :taps] = weights.T
    tail[:, taps] = shift
    head = np.stack([bias, multiplier], axis=1).astype(np.int32)
    return np.concatenate([head, tail.view("<i4")], axis=1).ravel().astype(np.int32)
