"""The memory planner: tensors with lifetimes to offsets in one arena. A pure function of steps and sizes.

Two tensors may share bytes when their lifetimes do not meet, or when one is read for the last time by the very
step that writes the other and the operator's `Overlap` allows that distance. Linear networks get the smallest arena
there is (`plan_chain`); others the smallest that a bounded search finds (`plan_sweep`), which for residual networks is
nearly always the lower bound, or what greedy placement finds (`plan_greedy`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from tinyml.compiler.plan_chain import links, smallest_chain
from tinyml.compiler.plan_greedy import greedy
from tinyml.compiler.plan_problem import WORD, Problem, Step, words_of
from tinyml.compiler.plan_sweep import events, gaps, sweep

__all__ = ["ARENA_ALIGN", "TENSOR_ALIGN", "Access", "Placement", "Plan", "Step", "bytes_needed", "plan_memory"]

TENSOR_ALIGN = WORD
ARENA_ALIGN = 16
_UNIT = ARENA_ALIGN // WORD
_TRIALS = 1500  # of one search
_SEARCHES = 5  # between the lower bound and what greedy placement finds


@dataclass(frozen=True)
class Placement:
    """`name` occupies [offset, offset + size) from `first_step` to `last_step`, both inclusive.

    `size` is in bytes as asked for; the planner keeps whole words, so up to 3 bytes behind it belong to it too.
    `kind` is "tensor", "scratch" or "state" (persistent).
    """

    name: str
    offset: int
    size: int
    first_step: int
    last_step: int
    kind: str = "tensor"

    @property
    def end(self) -> int:
        """The first byte behind its last word."""
        return self.offset + words_of(self.size) * WORD


@dataclass(frozen=True)
class Access:
    """What one step may touch: (begin, end) byte ranges of the arena. What it may write it may read too."""

    reads: tuple[tuple[int, int], ...]
    writes: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Plan:
    """Where everything lies while `steps` run. `lower_bound_bytes`: no plan of these steps in this order can be
    smaller."""

    arena_bytes: int
    lower_bound_bytes: int
    placements: tuple[Placement, ...]
    steps: tuple[Step, ...] = ()

    def __getitem__(self, name: str) -> Placement:
        return self._by_name[name]

    @cached_property
    def _by_name(self) -> dict[str, Placement]:
        return {p.name: p for p in self.placements}

    @cached_property
    def peak_step(self) -> int:
        """The first step at which the most bytes are in use."""
        steps = {p.first_step for p in self.placements} or {0}
        return max(sorted(steps), key=self.bytes_used)

    def live_at(self, step: int) -> tuple[Placement, ...]:
        """What is in memory while `step` runs, largest first."""
        live = (p for p in self.placements if p.first_step <= step <= p.last_step)
        return tuple(sorted(live, key=lambda p: (-p.size, p.offset, p.name)))

    def bytes_used(self, step: int) -> int:
        """Bytes that hold something while `step` runs; those that an input and an output share count once."""
        total = reach = 0
        for low, high in sorted((p.offset, p.end) for p in self.placements if p.first_step <= step <= p.last_step):
            total += max(0, high - max(low, reach))
            reach = max(reach, high)
        return total

    def access(self, step: int) -> Access:
        """The bytes that `step` may touch: its tensors and its scratch."""
        reads = [self[name] for name in dict.fromkeys(self.steps[step].reads)]
        writes = [self[name] for name in dict.fromkeys(self.steps[step].writes)]
        scratch = self.scratch(self.steps[step].name)
        return Access(tuple((p.offset, p.end) for p in reads),
                      tuple((p.offset, p.end) for p in (*writes, *([scratch] if scratch else []))))  # fmt: skip

    def scratch(self, step_name: str) -> Placement | None:
        """The scratch of a step, if it has any."""
        return self._by_name.get(f"scratch {step_name}")


def bytes_needed(
    steps: Sequence[Step], sizes: Mapping[str, int], inputs: Sequence[str], outputs: Sequence[str]
) -> list[int]:
    """By step, a lower bound of the arena that `plan_memory` finds, much faster; whole words."""
    return [words * WORD for words in Problem.of(steps, sizes, inputs, outputs).needs()[: len(steps)]]


def plan_memory(
    steps: Sequence[Step], sizes: Mapping[str, int], inputs: Sequence[str], outputs: Sequence[str], *,
    persistent: Sequence[str] = (), keep_all: bool = False, guard_bytes: int = 0,
) -> Plan:  # fmt: skip
    """Place every tensor of `steps`; `inputs` live from the start, `outputs` to the end.

    `persistent` tensors keep their bytes from one run to the next: they lie at the beginning of the arena, apart from
    everything. `keep_all` keeps every tensor to the end and apart, to look at them afterwards; `guard_bytes` (whole
    words) are then left free behind each.
    """
    state = dict.fromkeys(persistent)
    problem = Problem.of(steps, sizes, inputs, outputs, frozenset(state))
    if keep_all:
        return _stacked(problem, steps, sizes, tuple(state), guard_bytes)
    base = sum(words_of(sizes[name]) for name in state)
    bound = _whole(base + problem.lower_bound()) - base
    offsets, arena, bound = _smallest(problem, bound)
    end = max(0, len(steps) - 1)
    placements, at = [], 0
    for name in state:
        placements.append(Placement(name, at * WORD, sizes[name], 0, end, "state"))
        at += words_of(sizes[name])
    for t, name in enumerate(problem.names):
        place = (base + offsets[t]) * WORD
        placements.append(Placement(name, place, sizes[name], problem.first[t], problem.last[t]))
    for number, free in _scratch_places(problem, offsets, arena).items():
        size, name = steps[number].scratch_bytes, f"scratch {steps[number].name}"
        placements.append(Placement(name, (base + free) * WORD, size, number, number, "scratch"))
    used = max((p.end for p in placements), default=0)
    return Plan(_arena_bytes(words_of(used)), (base + bound) * WORD, tuple(placements), tuple(steps))


def _smallest(problem: Problem, bound: int) -> tuple[list[int], int, int]:
    """Offsets, the arena's words, and the lower bound, which is raised where a smaller arena is known to be too small.
    """
    chain = links(problem)
    if chain:
        arena, offsets = smallest_chain(chain, bound, _UNIT)
        return offsets, arena, arena
    order = events(problem)
    found = sweep(problem, order, bound, _TRIALS)
    if found is not None:
        return found, bound, bound
    best, arena = greedy(problem, bound)
    low, high = bound, bound + -(-(arena - bound) // _UNIT) * _UNIT
    for _ in range(_SEARCHES):
        if high - low <= _UNIT:
            break
        middle = low + (high - low) // (2 * _UNIT) * _UNIT
        found = sweep(problem, order, middle, _TRIALS)
        if found is None:
            low = middle
        else:
            best, arena, high = found, middle, middle
    return best, arena, bound


def _scratch_places(problem: Problem, offsets: Sequence[int], arena: int) -> dict[int, int]:
    """By step, the begin of the smallest free stretch that holds its scratch."""
    live: dict[int, list[int]] = {step: [] for step, size in enumerate(problem.scratch) if size}
    for tensor, (first, last) in enumerate(zip(problem.first, problem.last, strict=True)):
        for step in range(first, last + 1):
            if step in live:
                live[step].append(tensor)
    places = {}
    for step, tensors in live.items():
        free = gaps(problem, tensors, offsets, arena)
        places[step] = min((high - low, low) for low, high in free if high - low >= problem.scratch[step])[1]
    return places


def _stacked(
    problem: Problem, steps: Sequence[Step], sizes: Mapping[str, int], state: Sequence[str], guard_bytes: int
) -> Plan:
    """Everything one behind the other, for the whole program."""
    items = [(name, sizes[name], "state") for name in state]
    items += [(name, sizes[name], "tensor") for name in problem.names]
    items += [(f"scratch {s.name}", s.scratch_bytes, "scratch") for s in steps if s.scratch_bytes]
    placements, at = [], 0
    for name, size, kind in items:
        placements.append(Placement(name, at, size, 0, max(0, len(steps) - 1), kind))
        at += words_of(size) * WORD + guard_bytes
    return Plan(_arena_bytes(words_of(at)), _arena_bytes(problem.lower_bound()), tuple(placements), tuple(steps))


def _arena_bytes(words: int) -> int:
    return _whole(words) * WORD


def _whole(words: int) -> int:
    """`words` up to whole units of the arena's alignment."""
    return -(-words // _UNIT) * _UNIT
