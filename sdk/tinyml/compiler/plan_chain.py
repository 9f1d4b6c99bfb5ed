"""The smallest arena of a linear network, exactly.

Where every step reads one tensor that nobody reads later, and writes one, the offset of the next tensor depends on
that of the last one alone. All offsets that tensor k can have in an arena of a given size form a few intervals, and
those of tensor k + 1 follow from them: the output lies below its input as far as it may overlap, or behind it, and
the scratch below both, between them or above both.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tinyml.compiler.plan_problem import Problem

_FAR = 1 << 40
Interval = tuple[int, int]


@dataclass(frozen=True)
class Link:
    """A step of a chain: input and output sizes, how far below its input the output must lie (`below`) or exactly lies
    (`exact`), scratch; words. `moves` is False for a step that writes no new tensor."""

    size: int
    out_size: int
    below: int
    exact: int | None
    scratch: int
    moves: bool


@dataclass(frozen=True)
class Case:
    """One arrangement of a step: the input's offset lies in `source`, the output's in `target`, and the output's less
    the input's in `delta`."""

    source: Interval
    target: Interval
    delta: Interval


def links(problem: Problem) -> tuple[Link, ...] | None:
    """The steps of a chain, or None when the network is not linear."""
    if len(problem.inputs) != 1:
        return None
    found, current = [], problem.inputs[0]
    for step, born in enumerate(problem.born):
        size, scratch = problem.sizes[current], problem.scratch[step]
        if not born:
            found.append(Link(size, size, 0, None, scratch, False))
            continue
        if len(born) > 1 or problem.last[current] != step:
            return None
        rule = problem.rules[born[0]].get(current)
        out_size = problem.sizes[born[0]]
        below = out_size if rule is None or rule[1] else rule[0]
        found.append(Link(size, out_size, below, rule[0] if rule and rule[1] else None, scratch, True))
        current = born[0]
    return tuple(found) if problem.last[current] == len(problem.born) - 1 else None


def smallest_chain(chain: Sequence[Link], low: int, unit: int) -> tuple[int, list[int]]:
    """The smallest arena of at least `low` words in steps of `unit`, and the offset of every tensor in it."""
    offsets = place_chain(chain, low)
    if offsets is not None:
        return low, offsets
    high = low
    while offsets is None:
        low, high = high, 2 * high
        offsets = place_chain(chain, high)
    while high - low > unit:
        middle = low + (high - low) // (2 * unit) * unit
        trial = place_chain(chain, middle)
        low, high, offsets = (middle, high, offsets) if trial is None else (low, middle, trial)
    return high, offsets


def place_chain(chain: Sequence[Link], arena: int) -> list[int] | None:
    """The offset of every tensor in an arena of `arena` words, or None when there is no way at all."""
    reached: list[list[Interval]] = [[(0, arena - chain[0].size)] if arena >= chain[0].size else []]
    for link in chain:
        found: list[Interval] = []
        for source in reached[-1]:
            found += [target for case in _cases(link, arena) if (target := _image(case, source))]
        if not found:
            return None
        reached.append(_union(found))
    offsets = [reached[-1][0][0]]
    for link, before in zip(reversed(chain), reversed(reached[:-1]), strict=True):
        source = next(s for case in _cases(link, arena) for i in before if (s := _origin(case, i, offsets[-1])))
        offsets.append(source[0])
    offsets.reverse()
    return [offsets[0], *(at for link, at in zip(chain, offsets[1:], strict=True) if link.moves)]


def _cases(link: Link, arena: int) -> Iterator[Case]:
    top, out_top, scratch = arena - link.size, arena - link.out_size, link.scratch
    if not link.moves:
        if scratch:
            yield Case((scratch, top), (0, top), (0, 0))
        yield Case((0, top - scratch), (0, top), (0, 0))
        return
    places = [(-_FAR, -link.below), (link.size, _FAR)]
    if link.exact is not None:
        places.append((-link.exact, -link.exact))
    for delta in places:
        yield Case((0, top - scratch), (0, out_top - scratch), delta)
        if scratch:
            yield Case((scratch, top), (scratch, out_top), delta)
    if scratch:
        yield Case((0, top), (0, out_top), (-_FAR, -link.out_size - scratch))
        yield Case((0, top), (0, out_top), (link.size + scratch, _FAR))


def _image(case: Case, source: Interval) -> Interval | None:
    """The output offsets for input offsets in `source`."""
    low, high = max(source[0], case.source[0]), min(source[1], case.source[1])
    if low > high:
        return None
    first, last = max(case.target[0], low + case.delta[0]), min(case.target[1], high + case.delta[1])
    return (first, last) if first <= last else None


def _origin(case: Case, source: Interval, target: int) -> Interval | None:
    """The input offsets in `source` from which the output may lie at `target`."""
    if not case.target[0] <= target <= case.target[1]:
        return None
    low = max(source[0], case.source[0], target - case.delta[1])
    high = min(source[1], case.source[1], target - case.delta[0])
    return (low, high) if low <= high else None


def _union(intervals: list[Interval]) -> list[Interval]:
    intervals.sort()
    merged = [intervals[0]]
    for low, high in intervals[1:]:
        if low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(merged[-1][1], high))
        else:
            merged.append((low, high))
    return merged
