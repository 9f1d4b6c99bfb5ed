"""30 unseen networks of three search spaces: costs that the search expects against images on the virtual board."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.search_networks import check, drawn, expected_cost, measured, table
from tests.trained_like import lowered

from tinyml.architecture import weightless

NETWORKS = [(space, 2000 + i) for i in range(10) for space in ("sounds", "frames", "images")]
THROUGH_TORCH = [("sounds", 2100), ("sounds", 2101), ("frames", 2100), ("frames", 2101), ("images", 2100),
                 ("images", 2101)]  # fmt: skip
_rows = []


@pytest.fixture(scope="module", autouse=True)
def printed() -> Iterator[None]:
    yield
    print("\n" + table(_rows))


@pytest.mark.parametrize(("space", "seed"), NETWORKS)
def test_costs_are_those_of_the_image(space: str, seed: int, tmp_path: Path) -> None:
    arch = drawn(space, seed)
    expected, found = expected_cost(arch), measured(weightless.graph(arch, seed=seed), tmp_path)
    _rows.append((f"{space} {seed}", expected, found))
    check(expected, found)


@pytest.mark.parametrize(("space", "seed"), THROUGH_TORCH)
def test_costs_are_those_of_a_quantised_network(space: str, seed: int, tmp_path: Path) -> None:
    arch = drawn(space, seed)
    expected, found = expected_cost(arch), measured(lowered(arch, seed), tmp_path)
    _rows.append((f"{space} {seed} torch", expected, found))
    check(expected, found)
