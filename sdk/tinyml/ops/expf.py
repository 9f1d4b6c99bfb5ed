"""exp in float32 as the C library under LiteRT computes it, so that tables come out equal to the last bit.

Source: Arm Optimized Routines, math/expf.c (which glibc and bionic use): exp(x) = 2**(k / 32) * p(r) in float64 with a
cubic polynomial, rounded once to float32.
"""

from __future__ import annotations

from decimal import Context, Decimal
from functools import lru_cache

import numpy as np

_STEPS = 32
_INVERSE_LN2 = float.fromhex("0x1.71547652b82fep+0") * _STEPS
_ROUND = float.fromhex("0x1.8p+52")
_CUBE = float.fromhex("0x1.c6af84b912394p-5") / _STEPS**3
_SQUARE = float.fromhex("0x1.ebfce50fac4f3p-3") / _STEPS**2
_LINEAR = float.fromhex("0x1.62e42ff0c52d6p-1") / _STEPS
_UNDERFLOW, _OVERFLOW = -103.972076, 88.72283


@lru_cache(maxsize=1)
def _powers() -> np.ndarray:
    """2**(i / 32), float64[32]."""
    context = Context(prec=60)
    return np.array([float(context.power(Decimal(2), Decimal(i) / _STEPS)) for i in range(_STEPS)])


def expf(x: np.ndarray) -> np.ndarray:
    """exp of float32 values, in float32; 0 and infinity beyond the range."""
    wide = np.asarray(x, np.float32).astype(np.float64)
    inside = np.clip(wide, _UNDERFLOW, _OVERFLOW)
    scaled = _INVERSE_LN2 * inside
    whole = (scaled + _ROUND) - _ROUND
    rest = scaled - whole
    k = whole.astype(np.int64)
    power = np.ldexp(_powers()[k % _STEPS], k // _STEPS)
    result = ((_CUBE * rest + _SQUARE) * (rest * rest) + (_LINEAR * rest + 1)) * power
    result = np.where(wide < _UNDERFLOW, 0.0, np.where(wide > _OVERFLOW, np.inf, result))
    return result.astype(np.float32)
