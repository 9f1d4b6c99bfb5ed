"""Greedy best fit, largest first: a placement of any size for networks of any shape."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from tinyml.compiler.plan_problem import Problem

_MOST_ATTEMPTS = 24


@dataclass(frozen=True, eq=False)
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
    meets = _meetings(problem, items)
    best: tuple[int, list[int]] | None = None
    for _ in range(_MOST_ATTEMPTS):
        placed = _place(order, meets)
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


Meetings = dict[Item, list[tuple[Item, tuple[int, int, int]]]]


def _meetings(problem: Problem, items: Sequence[Item]) -> Meetings:
    """By item, those that are in memory at the same time, with what they take relative to where they lie (`_taken`)."""
    meets: Meetings = {item: [] for item in items}
    for number, item in enumerate(items):
        for other in items[:number]:
            if other.first <= item.last and item.first <= other.last:
                meets[item].append((other, _taken(problem, item, other)))
                meets[other].append((item, _taken(problem, other, item)))
    return meets


def _place(order: Sequence[Item], meets: Meetings) -> list[tuple[Item, int]]:
    placed: dict[Item, int] = {}
    peak = 0
    for item in order:
        starts, taken, ends = {0}, [], []
        for other, (low, high, exact) in meets[item]:
            at = placed.get(other)
            if at is not None:
                taken.append((at + low, at + high, at + exact))
                starts.update(taken[-1])
                ends.append(at)
        ends.sort()
        best = None
        for x in starts:
            if x >= 0 and all(not low < x < high or x == e for low, high, e in taken):
                rank = (max(peak, x + item.size), _room(x + item.size, ends), x)
                if best is None or rank < best:
                    best = rank
        placed[item] = best[2]
        peak = best[0]
    return list(placed.items())


def _taken(problem: Problem, item: Item, other: Item) -> tuple[int, int, int]:
    """(low, high, exact), relative to where `other` lies: `item` may not start strictly between low and high, except at
    exact."""
    low, high, exact = -item.size, other.size, other.size
    if item.tensor is not None and other.tensor is not None:
        if other.tensor in problem.rules[item.tensor]:
            least, is_exact = problem.rules[item.tensor][other.tensor]
            return (low, high, -least) if is_exact else (-least, high, high)
        if item.tensor in problem.rules[other.tensor]:
            least, is_exact = problem.rules[other.tensor][item.tensor]
            return (low, high, least) if is_exact else (low, least, least)
    return low, high, exact


def _room(end: int, starts: Sequence[int]) -> int:
    """Free words between `end` and what starts next above it: best fit wants few."""
    place = bisect_left(starts, end)
    return starts[place] - end if place < len(starts) else 1 << 40
