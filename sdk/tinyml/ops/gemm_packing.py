"""Packing for the matrix-product kernels: the stream that `gemm_tile.h` describes."""

from __future__ import annotations

import numpy as np


def groups_of(taps: int) -> int:
    """Groups of four taps, the last one filled up."""
    return -(-taps // 4)


def gemm_stream(weights: np.ndarray, bias: np.ndarray, multiplier: np.ndarray) -> np.ndarray:
    """int32 stream from weights int8 [channels, taps], folded bias and multiplier int32 [channels].

    Per pair of channels: 2 biases, 2 words of four weights per group, 2 multipliers; missing channels and taps are 0.
    """
    channels, taps = weights.shape
    pairs, groups = -(-channels // 2), groups_of(taps)
    filled = np.zeros((2 * pairs, 4 * groups), np.int8)
    filled[:channels, :taps] = weights
    words = filled.view("<i4").reshape(pairs, 2, groups).transpose(0, 2, 1).reshape(pairs, 2 * groups)
    ends = np.zeros((2, 2 * pairs), np.int32)
    ends[0, :channels], ends[1, :channels] = bias, multiplier
    columns = [ends[0].reshape(pairs, 2), words, ends[1].reshape(pairs, 2)]
    return np.concatenate(columns, axis=1).ravel().astype(np.int32)


def gemm_stream_bytes(channels: int, taps: int) -> int:
    """Size of `gemm_stream`'s result, from shapes alone."""
    return -(-channels // 2) * (16 + 8 * groups_of(taps))
