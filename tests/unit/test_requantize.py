"""Requantisation: the C twin bit for bit, and each rounding against the arithmetic it stands for."""

from __future__ import annotations

import ctypes
from fractions import Fraction
from math import floor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinyml.ir
from tinyml.ir.requantize import quantize_multiplier, requantize, single_exact_below
from tinyml.ir.requantize_scaled import needs_negative_fix, scaled_requantization
from tinyml.toolchain import host_library

ROUNDINGS = ("high", "double", "single")
INT32 = st.integers(-(2**31), 2**31 - 1)
SCALES = st.floats(2.0**-30, 2.0**5, exclude_min=True)


@pytest.fixture(scope="session")
def c_twin(tmp_path_factory: pytest.TempPathFactory):
    source = tmp_path_factory.mktemp("requantize") / "requantize_twin.c"
    bodies = [
        f"int32_t twin_{r}(int32_t a, int32_t m, int32_t s);\n"
        f"int32_t twin_{r}(int32_t a, int32_t m, int32_t s) {{ return tm_requantize_{r}(a, m, s); }}\n"
        for r in ROUNDINGS
    ]
    source.write_text('#include "requantize.h"\n' + "".join(bodies))
    library = ctypes.CDLL(str(host_library("requantize_twin", [source], include_dirs=[Path(tinyml.ir.__path__[0])])))
    for name in ROUNDINGS:
        getattr(library, f"twin_{name}").restype = ctypes.c_int32
    return library


def c_range(acc: int, scale: float) -> bool:
    """Whether the scaled value fits int32, which the C returns."""
    return abs(acc * scale) < 2**31 - 2


@settings(max_examples=400, deadline=None)
@given(acc=INT32, scale=SCALES, rounding=st.sampled_from(ROUNDINGS))
def test_c_twin(c_twin, acc: int, scale: float, rounding: str) -> None:
    if not c_range(acc, scale):
        return
    multiplier, shift = quantize_multiplier(scale, rounding)
    expected = int(requantize(np.int64(acc), np.int64(multiplier), np.int64(shift), rounding))
    assert getattr(c_twin, f"twin_{rounding}")(acc, multiplier, shift) == expected


@settings(max_examples=300, deadline=None)
@given(acc=st.integers(-(2**24), 2**24), scale=SCALES)
def test_high_and_single_round_half_up_once(acc: int, scale: float) -> None:
    for rounding, bits in (("high", 32), ("single", 31)):
        multiplier, shift = quantize_multiplier(scale, rounding)
        exact = Fraction(acc) * multiplier * Fraction(2) ** (shift - bits)
        if abs(acc) << max(shift, 0) < 2**31:
            assert int(requantize(np.int64(acc), multiplier, shift, rounding)) == floor(exact + Fraction(1, 2))


def gemmlowp(acc: int, multiplier: int, shift: int) -> int:
    """MultiplyByQuantizedMultiplier as gemmlowp's fixedpoint.h words it, in unlimited integers."""
    product = (acc << max(shift, 0)) * multiplier
    nudged = product + (2**30 if product >= 0 else 1 - 2**30)
    high = abs(nudged) // 2**31 * (1 if nudged >= 0 else -1)
    exponent = max(-shift, 0)
    remainder = high & ((1 << exponent) - 1)
    threshold = ((1 << exponent) - 1 >> 1) + (1 if high < 0 else 0)
    return (high >> exponent) + (1 if remainder > threshold else 0)


@settings(max_examples=300, deadline=None)
@given(acc=st.integers(-(2**26), 2**26), scale=SCALES)
def test_double_is_gemmlowp(acc: int, scale: float) -> None:
    multiplier, shift = quantize_multiplier(scale, "double")
    if abs(acc) << max(shift, 0) < 2**31:
        assert int(requantize(np.int64(acc), multiplier, shift, "double")) == gemmlowp(acc, multiplier, shift)


@settings(max_examples=300, deadline=None)
@given(scale=st.floats(2.0**-20, 2.0**15), rounding=st.sampled_from(ROUNDINGS))
def test_multipliers_are_precise(scale: float, rounding: str) -> None:
    multiplier, shift = quantize_multiplier(scale, rounding)
    bits = 32 if rounding == "high" else 31
    assert 0 <= multiplier < 2**31
    assert abs(multiplier * 2.0 ** (shift - bits) / scale - 1) < (2**-11 if rounding == "high" else 2**-29)
    assert rounding != "high" or shift >= 0


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_left_shifts_saturate(rounding: str) -> None:
    multiplier, shift = quantize_multiplier(8.0, rounding)
    for acc in (2**31 - 1, -(2**31)):
        assert np.clip(requantize(np.int64(acc), multiplier, shift, rounding), -128, 127) == (127 if acc > 0 else -128)


@pytest.mark.parametrize("scale", [0.0, -1.0, 2.0**16, float("nan")])
def test_impossible_scales_are_refused(scale: float) -> None:
    with pytest.raises(ValueError, match="scale"):
        quantize_multiplier(scale, "high")


@settings(max_examples=600, deadline=None)
@given(
    acc=st.integers(-(2**22), 2**22), scale=st.floats(2.0**-20, 2.0**3), rounding=st.sampled_from(ROUNDINGS),
    zero_point=st.integers(-128, 127), bits=st.sampled_from((2, 8)), relu=st.booleans(),
)  # fmt: skip
def test_scaled_form_is_every_rounding(acc, scale, rounding, zero_point, bits, relu) -> None:
    multiplier, shift = (np.array([v]) for v in quantize_multiplier(scale, rounding))
    scaled = scaled_requantization(multiplier, shift, rounding, zero_point, bits, 2**22)
    if scaled is None:
        assert scale > 0.25 or scale < 2.0**-12 or bits == 2
        return
    low = zero_point if relu else -128
    wide = acc << bits
    total = (wide * int(scaled.multiplier[0]) >> 32) + int(scaled.offset[0])
    if needs_negative_fix(rounding, shift, low, zero_point):
        total += (wide >> 31) << (bits - 1)
    expected = requantize(np.array([acc]), multiplier, shift, rounding) + zero_point
    assert -(2**31) <= total < 2**31
    assert np.clip(total >> int(scaled.right[0]), low, 127) == np.clip(int(expected[0]), low, 127)


@pytest.mark.parametrize("seed", range(20))
def test_single_rounds_as_float64_does(seed: int) -> None:
    """LiteRT's fully connected kernel: `round(acc * real)`, half away from zero, at and beside every step."""
    rng = np.random.default_rng(seed)
    real = 2.0 ** -int(rng.integers(1, 12)) if seed % 4 == 0 else float(10.0 ** rng.uniform(-5, 0.5))
    steps = np.rint((np.arange(-256, 256) + 0.5) / real).astype(np.int64)
    acc = np.concatenate([steps - 1, steps, steps + 1])
    acc = acc[np.abs(acc) < single_exact_below(real)]
    assert len(acc) > 1000
    product = acc * real
    expected = np.sign(product) * np.floor(np.abs(product) + 0.5)
    found = requantize(acc, *quantize_multiplier(real, "single"), "single")
    visible = np.abs(expected) <= 255
    np.testing.assert_array_equal(found[visible], expected[visible])
