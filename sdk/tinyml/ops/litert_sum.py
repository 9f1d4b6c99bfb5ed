"""LiteRT's int8 addition, and the same function of both operands as one multiply-add with one shift.

LiteRT shifts both operands left by 20, scales each to half of the larger scale, adds, and scales to the output, with
gemmlowp's rounding each time. The result depends on two bytes only, so it is compared for all 65,536 pairs with one
multiply-add of both and a shift: the offset is drawn from the interval that every pair allows, and a fit that is not
exact for all of them is none.

Source: LiteRT kernels/add.cc and internal/reference/integer_ops/add.h.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import numpy as np

from tinyml.ir.op import GraphError
from tinyml.ir.requantize import quantize_multiplier, requantize
from tinyml.ir.tensor import QuantParams

LEFT_SHIFT = 20
_LARGEST_SHIFT = 22
_NEIGHBOURS = sorted(product(range(-3, 4), repeat=2), key=lambda p: (abs(p[0]) + abs(p[1]), p))


@dataclass(frozen=True)
class SumScales:
    """(multiplier, shift) of both operands and of their sum, in LiteRT's order of operations."""

    a: tuple[int, int]
    b: tuple[int, int]
    out: tuple[int, int]

    @classmethod
    def of(cls, a: QuantParams, b: QuantParams, out: QuantParams, sign: int) -> SumScales:
        """`sign` is -1 for a subtraction. Raises: GraphError for scales that LiteRT refuses."""
        twice = 2 * max(a.scale, b.scale)
        total = twice / (2.0**LEFT_SHIFT * out.scale)
        if total >= 1:
            raise GraphError(f"the inputs' scales {a.scale}, {b.scale} are too large for the output's {out.scale}")
        (ma, sa), (mb, sb) = (quantize_multiplier(q.scale / twice, "double") for q in (a, b))
        return cls((ma, sa), (sign * mb, sb), quantize_multiplier(total, "double"))


def litert_sum(
    a: np.ndarray, b: np.ndarray, scales: SumScales, a_zero: int, b_zero: int, out: QuantParams, low: int, high: int
) -> np.ndarray:
    """int8 of two integer arrays of one shape."""
    first = requantize((a.astype(np.int64) - a_zero) << LEFT_SHIFT, *scales.a, "double")
    second = requantize((b.astype(np.int64) - b_zero) << LEFT_SHIFT, *scales.b, "double")
    return np.clip(requantize(first + second, *scales.out, "double") + out.zero_point, low, high).astype(np.int8)


@dataclass(frozen=True)
class LinearSum:
    """y = clamp((t + (t >> 31 if ties else 0) + late) >> shift) with t = a * a_factor + b * b_factor + early.

    `ties` rounds negative sums that lie halfway away from zero, as gemmlowp does; without it `late` is 0.
    """

    a_factor: int
    b_factor: int
    early: int
    late: int
    shift: int
    ties: bool

    def __call__(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """The unclamped integer."""
        t = a * self.a_factor + b * self.b_factor + self.early
        return (t + (t >> 31 if self.ties else 0) + self.late) >> self.shift

    @property
    def fits(self) -> bool:
        """No intermediate result leaves int32."""
        ends = [self.a_factor * a + self.b_factor * b + self.early for a, b in product((-128, 127), repeat=2)]
        return max(abs(e) for e in ends) + abs(self.late) + 1 < 2**31


@dataclass(frozen=True)
class HalvesSum:
    """y = clamp((a * a_factor // 256 + b * b_factor // 256 + early) >> SHIFT), each product rounded down.

    This is what SMLAWB and SMLAWT compute of bytes in the upper half of a 16-bit half word.
    """

    SHIFT = 21

    a_factor: int
    b_factor: int
    early: int

    @staticmethod
    def part(byte: np.ndarray, factor: int) -> np.ndarray:
        return (byte * factor) >> 8

    @property
    def fits(self) -> bool:
        """No factor and no intermediate result leaves int32."""
        if max(abs(self.a_factor), abs(self.b_factor)) >= 2**31:
            return False
        a, b = (self.part(np.array([-128, 127]), f) for f in (self.a_factor, self.b_factor))
        sums = [*(a + self.early), *(self.early + a[:, None] + b).ravel()]
        return max(abs(int(v)) for v in sums) < 2**31


_BYTES = np.arange(-128, 128, dtype=np.int64)


@lru_cache(maxsize=256)
def _outputs(a: QuantParams, b: QuantParams, out: QuantParams, sign: int, low: int, high: int) -> np.ndarray:
    """int64[256, 256]: LiteRT's result for b (rows) and a (columns)."""
    grid_a, grid_b = np.meshgrid(_BYTES, _BYTES)
    y = litert_sum(grid_a, grid_b, SumScales.of(a, b, out, sign), a.zero_point, b.zero_point, out, low, high)
    return y.astype(np.int64)


def _offset(y: np.ndarray, base: np.ndarray, shift: int, low: int, high: int) -> int | None:
    """The middle of the offsets for which (base + offset) >> shift, clamped, is y everywhere."""
    bounds = (y << shift) - base
    least = np.max(bounds, where=y > low, initial=-(2**40))
    most = np.min(bounds, where=y < high, initial=2**40) + (1 << shift) - 1
    return int((least + most) // 2) if least <= most else None


def _ratios(a: QuantParams, b: QuantParams, out: QuantParams, sign: int) -> tuple[float, float]:
    return a.scale / out.scale, sign * b.scale / out.scale


@lru_cache(maxsize=1024)
def halves_sum(a: QuantParams, b: QuantParams, out: QuantParams, sign: int, low: int, high: int) -> HalvesSum | None:
    """The fit for LiteRT's addition (or subtraction), or None where there is none."""
    factors = [round(r * 2.0 ** (HalvesSum.SHIFT + 8)) for r in _ratios(a, b, out, sign)]
    if sum(map(abs, factors)) >= 2**32:
        return None
    y = _outputs(a, b, out, sign, low, high)
    for near in _NEIGHBOURS:
        fa, fb = (f + 128 * n for f, n in zip(factors, near, strict=True))
        base = HalvesSum.part(_BYTES, fa) + HalvesSum.part(_BYTES, fb)[:, None]
        early = _offset(y, base, HalvesSum.SHIFT, low, high)
        if early is not None and HalvesSum(fa, fb, early).fits:
            return HalvesSum(fa, fb, early)
    return None


@lru_cache(maxsize=1024)
def linear_sum(a: QuantParams, b: QuantParams, out: QuantParams, sign: int, low: int, high: int) -> LinearSum | None:
    """The fit for LiteRT's addition (or subtraction), or None where there is none."""
    y, ratios = _outputs(a, b, out, sign, low, high), _ratios(a, b, out, sign)
    largest = next(s for s in range(_LARGEST_SHIFT, -20, -1) if sum(map(abs, ratios)) * 2.0 ** (s + 7) < 2**31)
    for shift in (largest, largest - 1):
        factors = [round(r * 2.0**shift) for r in ratios]
        for near in _NEIGHBOURS:
            fa, fb = (f + n for f, n in zip(factors, near, strict=True))
            early = _offset(y, _BYTES * fa + (_BYTES * fb)[:, None], shift, low, high)
            if early is not None and LinearSum(fa, fb, early, 0, shift, False).fits:
                return LinearSum(fa, fb, early, 0, shift, False)
        early = -factors[0] * a.zero_point - factors[1] * b.zero_point
        fit = LinearSum(*factors, early, (1 << (shift - 1)) + (out.zero_point << shift), shift, True)
        if fit.fits and np.array_equal(np.clip(fit(_BYTES, _BYTES[:, None]), low, high), y):
            return fit
    return None
