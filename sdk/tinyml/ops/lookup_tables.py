"""Tables of elementwise functions, each value computed as LiteRT's reference kernel computes it.

Source: LiteRT kernels/activations.cc, kernels/quantize.cc and internal/reference/{hard_swish,leaky_relu,requantize}.h.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from tinyml.ir.op import GraphError
from tinyml.ir.requantize import quantize_multiplier, requantize
from tinyml.ir.tensor import QuantParams
from tinyml.ops.expf import expf

FUNCTIONS = (
    "requantize", "relu", "relu6", "relu_n1_to_1", "leaky_relu", "hard_swish", "logistic", "tanh",
)  # fmt: skip
_CLAMPS = {"relu": (0.0, None), "relu6": (0.0, 6.0), "relu_n1_to_1": (-1.0, 1.0)}
_BYTES = np.arange(-128, 128)


@lru_cache(maxsize=512)
def table(function: str, x: QuantParams, out: QuantParams, alpha: float = 0.0) -> np.ndarray:
    """int8[256]: the output of every input from -128 on. Raises: GraphError for what LiteRT does not compute."""
    try:
        if function in _CLAMPS:
            values = _clamped(x, out, *_CLAMPS[function])
        elif function in ("logistic", "tanh"):
            values = _smooth(function, x, out)
        elif function == "hard_swish":
            values = _hard_swish(x, out)
        elif function == "leaky_relu":
            values = _leaky_relu(x, out, alpha)
        elif function == "requantize":
            values = _scaled(_BYTES - x.zero_point, x.scale / out.scale) + out.zero_point
        else:
            raise GraphError(f"there is no elementwise function `{function}`", hint=f"there are {', '.join(FUNCTIONS)}")
    except ValueError as error:
        message = f"{function} with scales {x.scale} and {out.scale}: {error}"
        raise GraphError(message, hint="the scales of input and output do not belong together") from error
    result = np.clip(values, -128, 127).astype(np.int8)
    result.setflags(write=False)
    return result


def fixed_output(function: str) -> QuantParams | None:
    """The only output quantisation that LiteRT allows for `function`, or None when any is."""
    return QuantParams((1 / 256,), -128) if function == "logistic" else None


def _scaled(values: np.ndarray, real: float) -> np.ndarray:
    """Integers times a real number of either sign."""
    multiplier, shift = quantize_multiplier(abs(real), "double") if real else (0, 0)
    return requantize(values, -multiplier if real < 0 else multiplier, shift, "double")


def _away(values: np.ndarray) -> np.ndarray:
    """Rounded to integers, halves away from zero, int64."""
    wide = values.astype(np.float64)
    return (np.sign(wide) * np.floor(np.abs(wide) + 0.5)).astype(np.int64)


def _ratio(x: QuantParams, out: QuantParams) -> float:
    return float(np.float32(x.scale) / np.float32(out.scale))


def _clamped(x: QuantParams, out: QuantParams, low: float, high: float | None) -> np.ndarray:
    ends = [None if end is None else int(_away(np.float32(end) / np.float32(out.scale))) for end in (low, high)]
    values = _scaled(_BYTES - x.zero_point, _ratio(x, out)) + out.zero_point
    top = 127 if ends[1] is None else out.zero_point + ends[1]
    return np.minimum(np.maximum(values, out.zero_point + ends[0]), top)


def _leaky_relu(x: QuantParams, out: QuantParams, alpha: float) -> np.ndarray:
    steps = _BYTES - x.zero_point
    slope = float(np.float32(x.scale) * np.float32(alpha) / np.float32(out.scale))
    return np.where(steps >= 0, _scaled(steps, _ratio(x, out)), _scaled(steps, slope)) + out.zero_point


def _smooth(function: str, x: QuantParams, out: QuantParams) -> np.ndarray:
    if fixed_output(function) not in (None, out):
        raise GraphError(f"the output of {function} must have scale 1/256 and zero point -128")
    real = np.float32(x.scale) * (_BYTES - x.zero_point).astype(np.float32)
    with np.errstate(over="ignore"):
        value = np.float32(1) / (np.float32(1) + expf(-real)) if function == "logistic" else _tanh(real)
    return _away(value * (np.float32(1) / np.float32(out.scale))) + out.zero_point


def _tanh(real: np.ndarray) -> np.ndarray:
    return np.tanh(real.astype(np.float64)).astype(np.float32)


def _high_product(a: np.ndarray, b: int) -> np.ndarray:
    """gemmlowp's rounding doubling high product of int16 values; (-2**15)**2 saturates."""
    product = a.astype(np.int64) * b
    nudged = product + np.where(product >= 0, 1 << 14, 1 - (1 << 14))
    return np.minimum(np.where(nudged >= 0, nudged >> 15, -((-nudged) >> 15)), 32767)


def _rounding_shift(values: np.ndarray, bits: int) -> np.ndarray:
    """Division by 2**bits, halves away from zero."""
    rest, threshold = values & ((1 << bits) - 1), (((1 << bits) - 1) >> 1) + (values < 0)
    return (values >> bits) + (rest > threshold)


def _short(multiplier: int) -> int:
    """A Q31 multiplier in 15 bits."""
    return 32767 if multiplier >= 2**31 - 1 - 2**15 else (multiplier + 2**15) >> 16


def _saturated(values: np.ndarray) -> np.ndarray:
    return np.clip(values, -32768, 32767)


def _hard_swish(x: QuantParams, out: QuantParams) -> np.ndarray:
    fine = np.float32(1 / 128) * np.float32(x.scale)
    multiplier, shift = quantize_multiplier(float(fine / np.float32(out.scale)), "double")
    if shift > 0:
        raise ValueError("the output's scale is too small")
    slope, slope_shift = quantize_multiplier(float(fine / (np.float32(3) / np.float32(32768))), "double")
    value = (_BYTES - x.zero_point).astype(np.int64) * 128
    scaled = _high_product(value, _short(multiplier))
    gate = _saturated(value << (slope_shift - 1)) if slope_shift > 0 else value
    gate = _high_product(gate, _short(slope))
    gate = _saturated(gate << 1) if slope_shift > 0 else _rounding_shift(gate, -slope_shift)
    gate = (gate + 32768) >> 1
    product = gate * scaled
    product = np.where(product >= 0, product >> 15, -((-product) >> 15))
    return _rounding_shift(product, -shift) + out.zero_point
