"""Greedy best fit, largest first: a placement of any size for networks of any shape."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tinyml.compiler.plan_problem import Problem

_MOST_ATTEMPTS = 24


@dataclass(frozen=True)
class Item:
    """What is placed: tensor `tensor`, or the scratch of a step (None)."""

    tensor: int | None
    size: int
    first: int
    last: int


def greedy(problem: Problem, bound: int) -> tuple[list[int], int]:
    """Offsets of all tensors and the words used, scratch included; stops early at `bound`.

    The item that stands highest is placed earlier, and all others again, as long as that has not been tried.
    """
    items = [Item(t, size, problem.first[t], problem.last[t]) for t, size in enumerate(problem.sizes)]
    items += [Item(None, size, step, step) for step, size in enumerate(problem.scratch) if size]
    order = sorted(items, key=lambda i: (-i.size, i.first))
    best: tuple[int, list[int]] | None = None
    for _ in range(_MOST_ATTEMPTS):
        placed = _place(problem, order)
        peak = max((at + item.size for item, at in placed), default=0)
        if best is None or peak < best[0]:
            offsets = [0] * len(problem.sizes)
            for item, at in placed:
                if item.tensor is not None:
                    offsets[item.tensor] = at
            best = peak, offsets
        highest, _ = max(placed, key=lambda p: (p[1] + p[0].size, p[0].first), default=(None, 0))
        if best[0] <= bound or order[0] is highest:
            break
        order = [highest, *(i for i in order if i is not highest)]
    return best[1], best[0]


def _place(problem: Problem, order: Sequence[Item]) -> list[tuple[Item, int]]:
    placed: list[tuple[Item, int]] = []
    peak = 0
    for item in order:
        others = [(o, at) for o, at in placed if o.first <= item.last and item.first <= o.last]
        taken = [_taken(problem, item, other, at) for other, at in others]
        ends = sorted(at for _, at in others)
        starts = {0, *(x for low, high, exact in taken for x in (low, high, exact))}
        fits = [x for x in starts if x >= 0 and all(x == e or not low < x < high for low, high, e in taken)]
        at = min(fits, key=lambda x: (max(peak, x + item.size), _room(x + item.size, ends), x))
        peak = max(peak, at + item.size)
        placed.append((item, at))
    return placed


def _taken(problem: Problem, item: Item, other: Item, at: int) -> tuple[int, int, int]:
    """(low, high, exact): `item` may not start strictly between low and high, except at exact, while `other` is at
    `at`."""
    low, high, exact = at - item.size, at + other.size, at + other.size
    if item.tensor is not None and other.tensor is not None:
        if other.tensor in problem.rules[item.tensor]:
            least, is_exact = problem.rules[item.tensor][other.tensor]
            return (low, high, at - least) if is_exact else (at - least, high, high)
        if item.tensor in problem.rules[other.tensor]:
            least, is_exact = problem.rules[other.tensor][item.tensor]
            return (low, high, at + least) if is_exact else (low, at + least, at + least)
    return low, high, exact


def _room(end: int, starts: Sequence[int]) -> int:
    """Free words between `end` and what starts next above it: best fit wants few."""
    return min((s - end for s in starts if s >= end), default=1 << 40)
