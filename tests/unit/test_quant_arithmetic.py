"""The torch arithmetic of quantisation-aware training against its numpy twin, value by value."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from tinyml.ir import requantize as twin
from tinyml.ops.average_pool2d import rounded_mean
from tinyml.quant import arithmetic
from tinyml.quant.observe import affine, best_range

EDGES = [2.0**-40, 2.0**-33, 2.0**-32, 2.0**-31, 0.25, 0.5, np.nextafter(0.5, 0), np.nextafter(0.5, 1), 0.75,
         np.nextafter(1, 0), 1.0, 1.5, 255.0, 65535.999]  # fmt: skip


def test_powers_of_two_are_exact() -> None:
    exponents = torch.arange(-200, 200)
    assert arithmetic.power_of_two(exponents).tolist() == [2.0**e for e in exponents.tolist()]


def test_multipliers_equal_numpy() -> None:
    rng = np.random.default_rng(0)
    real = np.concatenate([np.exp(rng.uniform(np.log(1e-9), np.log(65000), 20_000)), EDGES])
    multiplier, shift = arithmetic.quantize_multiplier(torch.from_numpy(real))
    expected = [twin.quantize_multiplier(value, "high") for value in real.tolist()]
    assert list(zip(multiplier.tolist(), shift.tolist(), strict=True)) == expected


@given(st.integers(-(2**31), 2**31 - 1), st.floats(2.0**-34, 65000.0))
def test_requantize_equals_numpy(acc: int, real: float) -> None:
    multiplier, shift = twin.quantize_multiplier(real, "high")
    expected = int(twin.requantize(np.int64(acc), np.int64(multiplier), np.int64(shift), "high"))
    one = torch.tensor([acc, multiplier, shift])
    assert int(arithmetic.requantize(*one)) == expected


def test_requantize_of_many() -> None:
    rng = np.random.default_rng(1)
    acc = rng.integers(-(2**26), 2**26, (5000, 8))
    pairs = [twin.quantize_multiplier(v, "high") for v in np.exp(rng.uniform(-16, 1, 8))]
    multiplier, shift = np.array(pairs, np.int64).T
    expected = twin.requantize(acc, multiplier, shift, "high")
    found = arithmetic.requantize(*(torch.from_numpy(v.copy()) for v in (acc, multiplier, shift)))
    assert np.array_equal(found.numpy(), expected)


def test_rounded_mean_equals_numpy() -> None:
    total = np.arange(-4000, 4000)
    for count in (1, 2, 3, 8, 65, 250):
        found = arithmetic.rounded_mean(torch.from_numpy(total), count).numpy()
        assert np.array_equal(found, rounded_mean(total, count))


@given(st.floats(-1000.0, 0.0), st.floats(1e-6, 1000.0))
def test_affine_covers_its_range(low: float, high: float) -> None:
    scale, zero = affine(low, high)
    assert scale == float(np.float32(scale)) and -128 <= zero <= 127
    assert (-128 - zero) * scale <= low + 0.51 * scale and (127 - zero) * scale >= high - 0.51 * scale


def test_best_range_ignores_a_rare_peak_and_survives_constants() -> None:
    values = torch.cat([torch.linspace(0, 1, 1_000_000), torch.tensor([30.0])])
    low, high = best_range(values)
    assert low == 0 and high < 20
    assert best_range(torch.zeros(10)) == (0.0, 1.0)
