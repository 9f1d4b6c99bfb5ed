"""Greedy best fit, largest first: a placement of any size for networks of any shape."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import add

from tinyml.compiler.plan_problem import Problem

_MOST_ATTEMPTS = 12
_NOWHERE = -1
_ENDLESS = 1 << 40


@dataclass(frozen=True, eq=False)
class Item:
    """What is placed: tensor `tensor`, or the scratch of a step (None)."""

    tensor: int | None
    size: int
    first: int
    last: int


def greedy(problem: Problem, bound: int) -> tuple[list[int], int]:
    """Offsets of all tensors and the words used, scratch included; stops early at `bound`.

    The item that stands highest is placed earlier, and all others again, as long as that order has not been tried.
    """
    items = [Item(t, size, problem.first[t], problem.last[t]) for t, size in enumerate(problem.sizes)]
    items += [Item(None, size, step, step) for step, size in enumerate(problem.scratch) if size]
    order = sorted(range(len(items)), key=lambda i: (-items[i].size, items[i].first))
    sizes, meetings, tried = [item.size for item in items], _meetings(problem, items), set()
    best: tuple[int, list[int]] = 0, []
    while len(tried) < _MOST_ATTEMPTS and tuple(order) not in tried:
        offsets = _place(order, sizes, meetings)
        peak = max(map(add, offsets, sizes), default=0)
        if not tried or peak < best[0]:
            best = peak, offsets
        if best[0] <= bound:
            break
        tried.add(tuple(order))
        highest = max(order, key=lambda i: (offsets[i] + sizes[i], items[i].first))
        order = [highest, *(i for i in order if i != highest)]
    return best[1][: len(problem.sizes)], best[0]


@dataclass(frozen=True)
class _Meetings:
    """The items that are in memory at the same time as one, with what they take (`_taken`). Those of `odd` may leave
    room elsewhere than at their ends."""

    others: list[tuple[int, int, int, int]] = field(default_factory=list)
    odd: list[tuple[int, int, int, int]] = field(default_factory=list)

    def add(self, other: int, low: int, high: int, exact: int) -> None:
        self.others.append((other, low, high, exact))
        if low >= high or exact not in (low, high):
            self.odd.append((other, low, high, exact))


def _meetings(problem: Problem, items: Sequence[Item]) -> list[_Meetings]:
    meetings = [_Meetings() for _ in items]
    for a, item in enumerate(items):
        for b, other in enumerate(items[:a]):
            if other.first <= item.last and item.first <= other.last:
                meetings[a].add(b, *_taken(problem, item, other))
                meetings[b].add(a, *_taken(problem, other, item))
    return meetings


def _place(order: Sequence[int], sizes: Sequence[int], meetings: Sequence[_Meetings]) -> list[int]:
    """Offsets of all items. Each goes where the arena grows least, then where it leaves the least room above it."""
    offsets = [_NOWHERE] * len(sizes)
    peak = 0
    for item in order:
        size, others = sizes[item], meetings[item].others
        free = _free(meetings[item], offsets)
        found, least = free[0], _ENDLESS + 1
        if found + size <= peak:
            above = sorted([at for other, *_ in others if (at := offsets[other]) != _NOWHERE])
            for x in free:
                if x + size > peak:
                    break
                room = _room(x + size, above)
                if room < least:
                    found, least = x, room
        offsets[item] = found
        peak = max(peak, found + size)
    return offsets


def _free(meetings: _Meetings, offsets: Sequence[int]) -> list[int]:
    """Where an item may start, upwards: at the ends of what is free."""
    taken = sorted([(at + low, at + high) for other, low, high, _ in meetings.others
                    if (at := offsets[other]) != _NOWHERE])  # fmt: skip
    found, reach = [], 0
    for low, high in taken:
        if low >= reach:
            found += (reach, low)
        if high > reach:
            reach = high
    found.append(reach)
    return sorted([*found, *_odd(meetings, offsets)]) if meetings.odd else found


def _odd(meetings: _Meetings, offsets: Sequence[int]) -> list[int]:
    taken = [(at + low, at + high, at + exact) for other, low, high, exact in meetings.others
             if (at := offsets[other]) != _NOWHERE]  # fmt: skip
    tried = {at + place for other, *places in meetings.odd if (at := offsets[other]) != _NOWHERE for place in places}
    return [x for x in tried if x >= 0 and all(not low < x < high or x == exact for low, high, exact in taken)]


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
    return starts[place] - end if place < len(starts) else _ENDLESS
