"""What a search expects unseen networks to cost, against their images on the virtual board (30 more: tests/slow)."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.search_networks import check, drawn, expected_cost, measured
from tests.trained_like import lowered

from tinyml.architecture import weightless


@pytest.mark.parametrize(("space", "seed"), [("sounds", 3001), ("frames", 3002), ("images", 3003)])
def test_costs_are_those_of_the_image(space: str, seed: int, tmp_path: Path) -> None:
    arch = drawn(space, seed)
    found = measured(weightless.graph(arch, seed=seed), tmp_path)
    check(expected_cost(arch), found)


@pytest.mark.parametrize(("space", "seed"), [("sounds", 3004), ("frames", 3005), ("images", 3003)])
def test_costs_are_those_of_a_quantised_network(space: str, seed: int, tmp_path: Path) -> None:
    arch = drawn(space, seed)
    found = measured(lowered(arch, seed), tmp_path)
    check(expected_cost(arch), found)
    assert (found.chains > 0) == (space == "images")
