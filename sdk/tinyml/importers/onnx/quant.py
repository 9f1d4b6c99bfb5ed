"""Scales and zero points of ONNX models as the graph's quantisation: everything unsigned becomes signed."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from tinyml.importers.onnx.errors import OnnxError
from tinyml.importers.onnx.model import OnnxNode
from tinyml.ir.tensor import QuantParams

SYMMETRIC = 'quantise with `extra_options={"WeightSymmetric": True}`'


@dataclass(frozen=True)
class Target:
    """The grid on which a result is wanted, and the part of it that activations may use."""

    quant: QuantParams
    low: int = -128
    high: int = 127

    def clipped(self, low: float, high: float) -> Target:
        """Narrowed to the steps of the real interval [low, high]: rounding and clipping commute."""
        steps = [self.step(bound) for bound in (low, high)]
        return replace(self, low=min(max(self.low, steps[0]), self.high), high=max(min(self.high, steps[1]), self.low))

    def step(self, real: float) -> int:
        """The step of a real number, rounded half to even as QuantizeLinear does."""
        if abs(real) > 1e30:
            return 127 if real > 0 else -128
        step = np.rint(np.float64(np.float32(real)) / self.quant.scale) + self.quant.zero_point
        return int(np.clip(step, -128, 127))

    @property
    def is_whole(self) -> bool:
        return (self.low, self.high) == (-128, 127)


@dataclass(frozen=True)
class Stored:
    """A constant on integer grids: real = (data - zero_points) * scales, one grid or one per index of `axis`."""

    data: np.ndarray
    scales: np.ndarray
    zero_points: np.ndarray
    axis: int | None

    def centred(self) -> np.ndarray:
        """`data` less its zero points, as int64 of the same shape."""
        return self.data.astype(np.int64) - self._spread(self.zero_points)

    def real(self) -> np.ndarray:
        """The numbers meant, as float64."""
        return self.centred() * self._spread(self.scales)

    def _spread(self, values: np.ndarray) -> np.ndarray:
        if self.axis is None:
            return values.reshape(())
        return values.reshape([-1 if i == self.axis else 1 for i in range(self.data.ndim)])


@dataclass(frozen=True)
class Grids:
    """The second and third input of a QuantizeLinear or DequantizeLinear: float64 scales and int64 zero points."""

    scales: np.ndarray
    zero_points: np.ndarray
    dtype: str

    @classmethod
    def of(cls, node: OnnxNode, scale: np.ndarray, zero_point: np.ndarray | None, dtype: str) -> Grids:
        """`dtype` is that of the integers. Raises: OnnxError for scales and zero points that mean nothing."""
        scales = np.asarray(scale)
        zeros = np.zeros(scales.shape, np.int64) if zero_point is None else np.asarray(zero_point)
        if (
            scales.dtype.name not in ("float32", "float64")
            or max(scales.ndim, zeros.ndim) > 1
            or zeros.size != scales.size
        ):
            raise node.error(f"scales {list(scales.shape)} and zero points {list(zeros.shape)} do not belong together",
                             hint="scales are float32, one or one per channel, not in blocks")  # fmt: skip
        if not np.all((scales > 0) & np.isfinite(scales)) or not scales.size:
            raise node.error("its scales are not finite and positive", hint="calibrate on data that use every tensor")
        if zeros.dtype.kind not in "iu":
            raise node.error(f"its zero point is {zeros.dtype.name}, not an integer")
        if dtype == "int32" and np.any(zeros):
            raise node.error("an int32 constant must have zero point 0")
        return cls(scales.astype(np.float64).ravel(), zeros.astype(np.int64).ravel(), dtype)

    def activation(self, node: OnnxNode) -> QuantParams:
        """The grid of an activation in int8. Raises: OnnxError for grids per channel or of another type."""
        if self.dtype not in ("int8", "uint8"):
            raise node.error(f"activations of type {self.dtype} are not supported",
                             hint="quantise with `activation_type=QuantType.QInt8` (or QUInt8)")  # fmt: skip
        if self.scales.size != 1:
            raise node.error(f"an activation has {self.scales.size} scales; one per tensor is supported")
        shift = 128 if self.dtype == "uint8" else 0
        return QuantParams((float(self.scales[0]),), int(self.zero_points[0]) - shift)

    def stored(self, node: OnnxNode, data: np.ndarray, axis: int) -> Stored:
        """A constant on these grids. Raises: OnnxError when they do not fit its shape."""
        if self.scales.size == 1:
            return Stored(data, self.scales, self.zero_points, None)
        if not -data.ndim <= axis < data.ndim or data.shape[axis] != self.scales.size:
            raise node.error(f"{self.scales.size} scales do not fit axis {axis} of a constant {list(data.shape)}")
        return Stored(data, self.scales, self.zero_points, axis % data.ndim)


def symmetric_int8(node: OnnxNode, weights: Stored) -> np.ndarray:
    """Weights with zero point 0 as int8: exact, whatever type and zero point they are stored with.

    Raises: OnnxError when they do not fit, or are no 8-bit weights.
    """
    if weights.data.dtype.name not in ("int8", "uint8"):
        raise node.error(f"weights of type {weights.data.dtype.name} are not supported, only int8 and uint8")
    centred = weights.centred()
    if centred.size and (centred.min() < -128 or centred.max() > 127):
        raise node.error(f"the weights lie {int(centred.min())} to {int(centred.max())} steps around their zero point, "
                         "which int8 with zero point 0 does not hold", hint=SYMMETRIC)  # fmt: skip
    return centred.astype(np.int8)


def bias_steps(node: OnnxNode, real: np.ndarray, scales: np.ndarray) -> np.ndarray:
    """A float bias as int32 in steps of `scales`. Raises: OnnxError when it is not finite or does not fit."""
    steps = np.rint(np.asarray(real, np.float64) / scales)
    if not np.all(np.isfinite(steps)) or (steps.size and np.abs(steps).max() >= 2**31):
        raise node.error("the bias does not fit 32 bits in steps of input scale times weight scale",
                         hint="its channel's weights are (almost) zero: quantise with a larger `min_real_range`, or "
                         "per tensor")  # fmt: skip
    return steps.astype(np.int32)


def no_grid(node: OnnxNode, name: str) -> OnnxError:
    """The error for an operator that reads or leaves a float tensor."""
    return node.error(
        f"`{name}` is not quantised: there is no QuantizeLinear and DequantizeLinear around it",
        hint="quantise the whole model (leave `op_types_to_quantize` and `nodes_to_exclude` empty), or import the "
        "float model with `--calibrate DIR`",
    )
