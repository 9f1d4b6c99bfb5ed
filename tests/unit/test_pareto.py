"""Fronts, ranks, crowding and hypervolume against their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinyml.nas.pareto import crowding, front, hypervolume, ranks

GRID = st.integers(0, 5).map(float)
POINTS = st.lists(st.tuples(GRID, GRID, GRID, GRID), max_size=25)


def dominates(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    as_good = a[0] >= b[0] and all(x <= y for x, y in zip(a[1:], b[1:], strict=True))
    return as_good and a != b


def peeled(points: list[tuple[float, ...]]) -> list[int]:
    """The rank of every point, by taking fronts away one after another."""
    found, left, rank = [-1] * len(points), set(range(len(points))), 0
    while left:
        best = {i for i in left if not any(dominates(points[j], points[i]) for j in left)}
        for i in best:
            found[i] = rank
        left, rank = left - best, rank + 1
    return found


@settings(max_examples=200, deadline=None)
@given(POINTS)
def test_fronts_and_ranks_are_those_of_the_definition(points: list[tuple[float, ...]]) -> None:
    expected = peeled(points)
    assert ranks(points).tolist() == expected
    assert front(points) == tuple(i for i, rank in enumerate(expected) if rank == 0)


def test_more_accuracy_and_less_of_everything_else_is_better() -> None:
    points = [(0.9, 10, 10, 10), (0.8, 10, 10, 10), (0.9, 11, 10, 10), (0.7, 9, 10, 10), (0.9, 10, 10, 10)]
    assert front(points) == (0, 3, 4)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), max_size=15), st.integers(0, 3), st.integers(5, 9))
def test_hypervolume_is_the_area_of_cells_that_a_point_dominates(
    points: list[tuple[int, int]], floor: int, ceiling: int
) -> None:
    cells = sum(
        any(accuracy >= row + 1 and cost <= column for accuracy, cost in points)
        for row in range(floor, 8) for column in range(ceiling)
    )  # fmt: skip
    assert hypervolume(points, (floor, ceiling)) == cells


def test_hypervolume_grows_with_a_point_that_is_not_dominated() -> None:
    points = [(0.9, 100.0), (0.7, 20.0)]
    assert hypervolume([], (0.5, 200.0)) == 0
    assert hypervolume(points, (0.5, 200.0)) == pytest.approx(0.4 * 100 + 0.2 * 80)
    assert hypervolume([*points, (0.8, 50.0)], (0.5, 200.0)) == pytest.approx(0.4 * 100 + 0.3 * 50 + 0.2 * 30)
    assert hypervolume([*points, (0.65, 50.0)], (0.5, 200.0)) == hypervolume(points, (0.5, 200.0))


def test_crowding_is_the_distance_between_the_neighbours() -> None:
    assert crowding([(0.9, 40.0), (0.5, 10.0), (0.6, 12.0), (0.7, 30.0)]).tolist() == [
        np.inf, np.inf, pytest.approx(0.5 + 2 / 3), pytest.approx(0.75 + 28 / 30),
    ]  # fmt: skip


@pytest.mark.parametrize("points", [[], [(1.0, 2.0)], [(1.0, 2.0), (1.0, 2.0)], [(0.0, 5.0), (1.0, 5.0), (0.5, 5.0)]])
def test_crowding_where_a_column_has_no_range(points: list[tuple[float, float]]) -> None:
    found = crowding(points)
    assert len(found) == len(points)
    assert not np.isnan(found).any()
