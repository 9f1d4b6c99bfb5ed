"""Which networks are worth having: non-dominated sets, their order for evolution, and one number for a whole set.

Points are float [N, D]: the first column is an accuracy, of which more is better; in all others (bytes, cycles) less.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tinyml.nas.record import Evaluated

Points = np.ndarray | Sequence[Sequence[float]]


def points_of(evaluations: Sequence[Evaluated]) -> np.ndarray:
    """Accuracy, arena bytes, flash bytes and cycles of candidates, float64 [N, 4]."""
    rows = [(e.accuracy, e.cost.arena_bytes, e.cost.flash_bytes, e.cost.cycles) for e in evaluations]
    return np.array(rows, np.float64).reshape(-1, 4)


def front(points: Points) -> tuple[int, ...]:
    """Indices of points that no other dominates (as good in every column and better in one); equal ones are all in."""
    dominates = _dominance(points)
    return tuple(int(i) for i in np.flatnonzero(~dominates.any(axis=0)))


def ranks(points: Points) -> np.ndarray:
    """The front of every point, int [N]: 0 is dominated by none, 1 only by those of 0, and so on.

    Source: Deb et al., "A fast and elitist multiobjective genetic algorithm: NSGA-II", 2002, fast non-dominated sort.
    """
    dominates = _dominance(points)
    above, found = dominates.sum(axis=0), np.full(len(dominates), -1)
    rank = 0
    while (found < 0).any():
        current = (found < 0) & (above == 0)
        found[current] = rank
        above = above - dominates[current].sum(axis=0)
        rank += 1
    return found


def crowding(points: Points) -> np.ndarray:
    """How lonely every point of one front is, float [N]: the sum over columns of the distance between its two
    neighbours, as a share of the column's range; infinite for the extremes of a column that has a range.

    Source: as `ranks`.
    """
    values = np.asarray(points, np.float64)
    distances = np.zeros(len(values))
    for column in values.T:
        order = np.argsort(column, kind="stable")
        spread = column[order[-1]] - column[order[0]] if len(order) else 0.0
        if spread == 0:
            continue
        distances[order[1:-1]] += (column[order[2:]] - column[order[:-2]]) / spread
        distances[order[[0, -1]]] = np.inf
    return distances


def hypervolume(points: Points, reference: tuple[float, float]) -> float:
    """The area that points (accuracy, cost), float [N, 2], dominate, up to `reference`: the accuracy below which and
    the cost above which nothing counts. Sets are comparable under one reference only."""
    values = np.asarray(points, np.float64).reshape(-1, 2)
    floor, ceiling = reference
    inside = values[(values[:, 0] > floor) & (values[:, 1] < ceiling)]
    area, best = 0.0, floor
    for accuracy, cost in inside[np.lexsort((-inside[:, 0], inside[:, 1]))]:
        if accuracy > best:
            area += (accuracy - best) * (ceiling - cost)
            best = accuracy
    return float(area)


def _dominance(points: Points) -> np.ndarray:
    """bool [N, N]: whether the point of the row dominates that of the column."""
    values = np.array(points, np.float64)
    if not len(values):
        return np.zeros((0, 0), bool)
    values[:, 0] *= -1
    as_good = (values[:, None] <= values[None]).all(axis=2)
    return as_good & (values[:, None] < values[None]).any(axis=2)
