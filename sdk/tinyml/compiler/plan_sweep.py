"""A search for a placement in an arena of a given size: tensor by tensor in the order of time, with backtracking.

A new tensor is tried at the ends of every stretch of addresses that is free for it, first where the largest stretch
stays free for what comes next. Networks come back to few live tensors again and again, so what is known to lead
nowhere from there is remembered. The effort is bounded by a count of trials: equal input gives an equal plan.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tinyml.compiler.plan_problem import Problem


@dataclass(frozen=True)
class Neighbour:
    """A tensor that is live as another one is placed, at x: that one may go to x + size or above, to x - below or
    lower, or to x - exact."""

    tensor: int
    size: int
    below: int
    exact: int | None


@dataclass(frozen=True)
class Event:
    """A tensor to place (None where a step writes no new one), `before` the live ones; when it is the last of its
    step, `scratch` words must be free beside `beside`; `after` stay live behind the step."""

    tensor: int | None
    size: int
    before: tuple[int, ...]
    neighbours: tuple[Neighbour, ...]
    scratch: int
    beside: tuple[int, ...]
    after: tuple[int, ...]


def events(problem: Problem) -> tuple[Event, ...]:
    """The tensors in the order in which they are placed."""
    found: list[Event] = []
    live: list[int] = []
    for step in range(-1, len(problem.born)):
        tensors = problem.inputs if step < 0 else problem.born[step]
        scratch = 0 if step < 0 else problem.scratch[step]
        for place, tensor in enumerate(tensors):
            before, size = tuple(live), problem.sizes[tensor]
            neighbours = tuple(_neighbour(problem, tensor, other) for other in before)
            live.append(tensor)
            final = place == len(tensors) - 1
            after = tuple(t for t in live if problem.last[t] > step) if final else tuple(live)
            found.append(Event(tensor, size, before, neighbours, scratch if final else 0, tuple(live), after))
        if not tensors and scratch:
            found.append(Event(None, 0, tuple(live), (), scratch, tuple(live), ()))
        live = [t for t in live if problem.last[t] > step]
    return tuple(found)


def _neighbour(problem: Problem, tensor: int, other: int) -> Neighbour:
    size, rule = problem.sizes[tensor], problem.rules[tensor].get(other)
    if rule is None:
        return Neighbour(other, problem.sizes[other], size, None)
    least, exact = rule
    return Neighbour(other, problem.sizes[other], size if exact else least, least if exact else None)


def sweep(problem: Problem, order: Sequence[Event], arena: int, most_trials: int) -> list[int] | None:
    """Offsets of all tensors in an arena of `arena` words, or None when none was found in `most_trials`."""
    offsets = [0] * len(problem.sizes)
    hopeless: set[tuple[int, ...]] = set()
    waiting: list[Iterator[int]] = []
    trials, depth = 0, 0
    while depth < len(order):
        event = order[depth]
        if len(waiting) == depth:
            state = (depth, *[offsets[t] for t in event.before])
            waiting.append(iter(() if state in hopeless else _candidates(problem, event, arena, offsets)))
        choice = next(waiting[-1], None)
        if choice is not None:
            trials += 1
            if trials > most_trials:
                return None
            if event.tensor is not None:
                offsets[event.tensor] = choice
            depth += 1
            continue
        hopeless.add((depth, *[offsets[t] for t in event.before]))
        waiting.pop()
        depth -= 1
        if depth < 0:
            return None
    return offsets


def _candidates(problem: Problem, event: Event, arena: int, offsets: list[int]) -> list[int]:
    """Offsets to try, best first."""
    if event.tensor is None:
        return [0] if largest_gap(problem, event.beside, offsets, arena) >= event.scratch else []
    rated = []
    for choice in _places(event, arena, offsets):
        offsets[event.tensor] = choice
        if event.scratch and largest_gap(problem, event.beside, offsets, arena) < event.scratch:
            continue
        rated.append((-largest_gap(problem, event.after, offsets, arena), choice))
    rated.sort()
    return [choice for _, choice in rated]


def _places(event: Event, arena: int, offsets: Sequence[int]) -> set[int]:
    top = arena - event.size
    taken = []
    for n in event.neighbours:
        at = offsets[n.tensor]
        taken.append((at - n.below, at + n.size))
    taken.sort()
    found, start = set(), 0
    for low, high in taken:  # every offset strictly between is taken
        if low >= start and start <= top:
            found.add(start)
            found.add(min(low, top))
        if high > start:
            start = high
    if start <= top:
        found.add(start)
        found.add(top)
    for n in event.neighbours:
        if n.exact is not None:
            choice = offsets[n.tensor] - n.exact
            if 0 <= choice <= top and all(
                o is n or not offsets[o.tensor] - o.below < choice < offsets[o.tensor] + o.size
                for o in event.neighbours
            ):
                found.add(choice)
    return found


def largest_gap(problem: Problem, tensors: Sequence[int], offsets: Sequence[int], arena: int) -> int:
    """The longest stretch of words that none of `tensors` covers."""
    sizes = problem.sizes
    if len(tensors) == 1:
        at = offsets[tensors[0]]
        return max(at, arena - at - sizes[tensors[0]])
    most = end = 0
    for low, tensor in sorted([(offsets[t], t) for t in tensors]):
        if low - end > most:
            most = low - end
        if low + sizes[tensor] > end:
            end = low + sizes[tensor]
    return arena - end if arena - end > most else most


def gaps(
    problem: Problem, tensors: Sequence[int], offsets: Sequence[int], arena: int
) -> Iterator[tuple[int, int]]:
    """The stretches of words that none of `tensors` covers, upwards."""
    end = 0
    for low, high in sorted((offsets[t], offsets[t] + problem.sizes[t]) for t in tensors):
        if low > end:
            yield end, low
        end = max(end, high)
    if arena > end:
        yield end, arena
