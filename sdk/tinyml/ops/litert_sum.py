"""LiteRT's int8 addition, and the same function of both operands as one multiply-add with one shift.

LiteRT shifts both operands left by 20, scales each to half of the larger scale, adds, and scales to the output, with
gemmlowp's rounding each time. The result depends on two bytes only, so it is compared for all 65,536 pairs with
`(a * A + b * B + C) >> shift`: C is drawn from the interval that every pair allows, and a fit that is not exact for
all of them is none.

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


@lru_cache(maxsize=1024)
def linear_sum(a: QuantParams, b: QuantParams, out: QuantParams, sign: int, low: int, high: int) -> LinearSum | None:
    """The fit for LiteRT's addition (or subtraction), or None where there is none."""
    grid_a, grid_b = (g.astype(np.int64) for g in np.meshgrid(np.arange(-128, 128), np.arange(-128, 128)))
    y = litert_sum(grid_a, grid_b, SumScales.of(a, b, out, sign), a.zero_point, b.zero_point, out, low, high)
    y = y.astype(np.int64)
    above, below = y > low, y < high
    for shift in range(_LARGEST_SHIFT, 9, -1):
        factors = (a.scale / out.scale * 2.0**shift, sign * b.scale / out.scale * 2.0**shift)
        if sum(map(abs, factors)) * 128 >= 2**31:
            continue
        for near_a, near_b in _NEIGHBOURS:
            fa, fb = round(factors[0]) + near_a, round(factors[1]) + near_b
            base = grid_a * fa + grid_b * fb
            least = np.max(((y << shift) - base)[above], initial=-(2**62))
            most = np.min((((y + 1) << shift) - 1 - base)[below], initial=2**62)
            fit = LinearSum(fa, fb, int(np.clip((least + most) // 2, -(2**40), 2**40)), 0, shift, False)
            if least <= most and fit.fits:
                return fit
        early = -round(factors[0]) * a.zero_point - round(factors[1]) * b.zero_point
        late = (1 << (shift - 1)) + (out.zero_point << shift)
        fit = LinearSum(round(factors[0]), round(factors[1]), early, late, shift, True)
        if fit.fits and np.array_equal(np.clip(fit(grid_a, grid_b), low, high), y):
            return fit
        if shift < _LARGEST_SHIFT - 2:
            return None
    return None
