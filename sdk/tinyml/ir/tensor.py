"""Tensor types, quantisation parameters and constants."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from math import prod

import numpy as np


@dataclass(frozen=True)
class QuantParams:
    """Affine quantisation: `real = scale * (q - zero_point)`.

    `scales` holds one value (per tensor) or one per index of `axis` (per channel, zero_point 0). Scales are
    float64 values that are exactly representable in float32, as in a TFLite file.
    """

    scales: tuple[float, ...]
    zero_point: int = 0
    axis: int | None = None

    def __post_init__(self) -> None:
        if not all(s > 0 and np.isfinite(s) for s in self.scales):
            raise ValueError("quantisation scales must be finite and positive")
        object.__setattr__(self, "scales", tuple(float(np.float32(s)) for s in self.scales))

    @property
    def scale(self) -> float:
        """The per-tensor scale. Raises: ValueError for per-channel parameters."""
        if self.axis is not None or len(self.scales) != 1:
            raise ValueError("quantisation is per channel")
        return self.scales[0]


@dataclass(frozen=True)
class TensorType:
    """Shape (NHWC for images and spectrograms, N = 1), numpy dtype name, and quantisation."""

    shape: tuple[int, ...]
    dtype: str = "int8"
    quant: QuantParams | None = None

    @property
    def elements(self) -> int:
        return prod(self.shape)

    @property
    def size_bytes(self) -> int:
        return self.elements * np.dtype(self.dtype).itemsize


@dataclass(frozen=True)
class Const:
    """A constant tensor. Identity is type and hash; a weightless graph has `data=None`."""

    type: TensorType
    sha256: str
    data: np.ndarray | None = field(default=None, compare=False, repr=False)

    @classmethod
    def of(cls, data: np.ndarray, quant: QuantParams | None = None) -> Const:
        """A constant holding a read-only copy of `data`."""
        data = np.array(data, order="C", copy=True)
        data.setflags(write=False)
        kind = TensorType(tuple(data.shape), data.dtype.name, quant)
        digest = hashlib.sha256(data.dtype.str.encode() + str(data.shape).encode() + data.tobytes()).hexdigest()
        return cls(kind, digest, data)
