"""Kernels take each other's layers where that saves more code than it costs cycles."""

from __future__ import annotations

import pytest

from tinyml.compiler.share_kernels import Budget, LayerChoices, share_kernels
from tinyml.ir.op import Variant
from tinyml.ops.cost_table import CostTable, FrameCode, VariantCode


def table(**variants: dict[str, int]) -> CostTable:
    codes = {name: VariantCode(40, 0, functions) for name, functions in variants.items()}
    return CostTable(codes, FrameCode(0, 0, 0, 0, 0), {})


def layer(now: str, **cycles: int) -> LayerChoices:
    """A layer that runs `now`; cycles of everything that it may run."""
    variants = {name: Variant(name, "kernel.h") for name in cycles}
    return LayerChoices.of(variants[now], {variants[name]: (found, 100) for name, found in cycles.items()})


TABLE = table(long={"long": 900, "tile": 100}, short={"short": 400, "tile": 100}, other={"other": 500})


def changes(layers: dict[str, LayerChoices], budget: Budget = Budget()) -> dict[str, str]:
    return {name: v.name for name, v in share_kernels(layers, TABLE, 200, budget).items()}


def test_a_small_layer_takes_the_kernel_of_the_large_one() -> None:
    layers = {"a": layer("long", long=100_000, short=130_000), "b": layer("short", long=1010, short=1000)}
    assert changes(layers) == {"b": "long"}


def test_all_layers_take_a_smaller_kernel_that_is_hardly_slower() -> None:
    layers = {name: layer("long", long=1000, short=1010) for name in "ab"}
    assert changes(layers) == {"a": "short", "b": "short"}


def test_cycles_that_code_does_not_pay_for_stay() -> None:
    layers = {name: layer("long", long=1000, short=1300) for name in "ab"}
    assert changes(layers) == {}


def test_functions_that_others_need_too_are_not_saved() -> None:
    both = table(first={"first": 20, "tile": 900}, second={"second": 30, "tile": 900})
    layers = {"a": layer("first", first=1000, second=1100), "b": layer("second", first=1100, second=1000)}
    assert share_kernels(layers, both, 200) == {}


def test_packed_constants_that_grow_count_against_the_code() -> None:
    small, large = Variant("short", "kernel.h"), Variant("long", "kernel.h")
    layers = {"a": LayerChoices.of(large, {large: (1000, 100), small: (1001, 700)})}
    assert changes(layers) == {}


@pytest.mark.parametrize(
    ("budget", "expected"), [(Budget(flash_bytes=950), {"a": "short", "b": "short"}), (Budget(flash_bytes=5000), {})]
)
def test_flash_that_is_short_makes_code_dearer(budget: Budget, expected: dict[str, str]) -> None:
    layers = {name: layer("long", long=1000, short=1300) for name in "ab"}
    assert changes(layers, budget) == expected


def test_cycles_that_are_short_make_code_cheaper() -> None:
    layers = {name: layer("long", long=1000, short=1010) for name in "ab"}
    assert changes(layers, Budget(cycles=2000)) == {}


def test_layers_of_two_kernels_meet_in_a_third() -> None:
    three = table(plain={"plain": 500}, signed={"signed": 520}, both={"both": 540})
    layers = {"a": layer("plain", plain=1000, both=1005), "b": layer("signed", signed=1000, both=1005)}
    assert {n: v.name for n, v in share_kernels(layers, three, 200).items()} == {"a": "both", "b": "both"}
