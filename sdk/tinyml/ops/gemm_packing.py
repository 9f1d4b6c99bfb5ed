"""Packing for the matrix-product kernels: the streams that `gemm_tile.h` and `gemm_quad.h` describe.

The arithmetic. SMLAD adds two products of int16 pairs, so int8 weights must be widened first; the kernels widen only
every other one. Taps x0, x1 with weights w0, w1 share one half-word H = 256 * w0 - w1. With

    low = x0 + 128,   both = -(256 * x1 + x0 + 129),   E = the low byte of H, sign extended = -w1

all of which fit 16 bits for every int8 x, the cross products cancel:

    low * H + both * E = 256 * (x0 * w0 + x1 * w1) + 128 * 256 * w0 + w1

The last two terms are constant and go into the bias. Accumulators are therefore 256 times the sum of products
(`SCALE_BITS`), which is what `requantize_scaled` wants; they wrap at 32 bits on the way, so only the final sum has to
fit, which `stream_constants` proves from the weights.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from tinyml.ir.requantize import Rounding
from tinyml.ir.requantize_scaled import ScaledRequantization, scaled_requantization
from tinyml.ir.tensor import Const
from tinyml.ops.scaling import Multipliers

SCALE_BITS = 8
_RIGHT_MASK = 31


def groups_of(taps: int) -> int:
    """Groups of four taps, the last one filled up."""
    return -(-taps // 4)


@dataclass(frozen=True)
class StreamConstants:
    """int32 arrays, one value per channel: bias (scaled, folded), multiplier, and offset with the right shift in its
    low five bits."""

    bias: np.ndarray
    multiplier: np.ndarray
    packed_scale: np.ndarray

    def of(self, channels: list[int]) -> StreamConstants:
        """The constants of some channels, in the order given."""
        return StreamConstants(*(getattr(self, f.name)[channels] for f in fields(self)))


def stream_constants(
    weights: np.ndarray, bias: Const, in_zero_point: int, scale: Multipliers, rounding: Rounding, out_zero_point: int
) -> StreamConstants | None:
    """Constants for int8 `weights` [channels, taps], or None where this arithmetic does not hold them.

    It does not for weights of -128, when a sum of products can reach 2**23, or for scales of 2 and more.
    """
    wide = weights.astype(np.int64)
    if wide.size and wide.min() < -127:
        return None
    positive, negative = np.maximum(wide, 0).sum(axis=1), np.minimum(wide, 0).sum(axis=1)
    base = bias.data.astype(np.int64) - in_zero_point * wide.sum(axis=1)
    highest, lowest = base + 127 * positive - 128 * negative, base - 128 * positive + 127 * negative
    largest = int(max(np.abs(highest).max(), np.abs(lowest).max(), 1))
    scaled = scaled_requantization(scale.multiplier, scale.shift, rounding, out_zero_point, SCALE_BITS, largest)
    if scaled is None or not packable(scaled):
        return None
    filled = np.zeros((len(wide), 4 * groups_of(wide.shape[1])), np.int64)
    filled[:, : wide.shape[1]] = wide
    constant = 256 * 128 * filled[:, 0::2].sum(axis=1) + filled[:, 1::2].sum(axis=1)
    return StreamConstants(_wrap(256 * base - constant), scaled.multiplier, scaled.offset | scaled.right)


def scalable(scale: Multipliers, rounding: Rounding, out_zero_point: int) -> bool:
    """Whether there is a requantisation for these scales, from types alone: what the weights say comes on top."""
    scaled = scaled_requantization(scale.multiplier, scale.shift, rounding, out_zero_point, SCALE_BITS, 1)
    return scaled is not None and packable(scaled)


def packed_scale(scale: Multipliers, rounding: Rounding, out_zero_point: int) -> tuple[int, int]:
    """(multiplier, packed scale) of the first channel of a `scalable` requantisation."""
    scaled = scaled_requantization(scale.multiplier, scale.shift, rounding, out_zero_point, SCALE_BITS, 1)
    return int(scaled.multiplier[0]), int(scaled.offset[0] | scaled.right[0])


def packable(scaled: ScaledRequantization) -> bool:
    """Whether the low bits of the offsets are free for the shifts."""
    return not np.any(scaled.offset & _RIGHT_MASK)


def gemm_stream(
    weights: np.ndarray, constants: StreamConstants, together: int, *, scales: bool = True
) -> np.ndarray:
    """int32 stream from int8 `weights` [channels, taps], `together` channels (2 or 4) side by side.

    Per `together` channels: their biases, one word of weights each per group, and with `scales` (multiplier, packed
    scale) each. Missing taps are 0. The last block of an odd number of channels, taken by two, repeats the channel
    before; missing channels of a last block of four are 0.
    """
    channels, taps = weights.shape
    if together == 2 and channels % 2:
        order = [*range(channels - 1), channels - 2, channels - 1]
        weights, constants, channels = weights[order], constants.of(order), channels + 1
    blocks, groups = -(-channels // together), groups_of(taps)
    filled = np.zeros((together * blocks, 4 * groups), np.int64)
    filled[:channels, :taps] = weights
    halves = (256 * filled[:, 0::2] - filled[:, 1::2]).astype("<i2")
    words = halves.view("<i4").reshape(blocks, together, groups).transpose(0, 2, 1).reshape(blocks, together * groups)
    ends = np.zeros((together * blocks, 3), np.int32)
    ends[:channels] = np.stack([constants.bias, constants.multiplier, constants.packed_scale], axis=1)
    columns = [ends[:, 0].reshape(blocks, together), words]
    if scales:
        columns.append(ends[:, 1:].reshape(blocks, 2 * together))
    return np.concatenate(columns, axis=1).ravel().astype(np.int32)


def gemm_stream_bytes(channels: int, taps: int, together: int, *, scales: bool = True) -> int:
    """Size of `gemm_stream`'s result, from shapes alone."""
    return -(-channels // together) * together * ((12 if scales else 4) + 4 * groups_of(taps))


def _wrap(values: np.ndarray) -> np.ndarray:
    """int64 to int32 modulo 2**32."""
    return (values & 0xFFFFFFFF).astype(np.uint32).view(np.int32)
