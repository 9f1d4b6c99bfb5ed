"""What every step of a network needs, without a plan: the lower bound of `bytes_needed`, remembered step by step.

A search for variants and chains asks for it thousands of times, and each question differs from the one before in a
step or two. What is live while a step runs does not depend on variants, nor on chains elsewhere: inner tensors of a
chain are live nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tinyml.compiler.plan_problem import WORD, Problem, Step, rule_of, shared_words, words_of
from tinyml.ir.op import Overlap


@dataclass(frozen=True)
class StepNeeds:
    """Built from the steps of a network without chains, whatever their variants."""

    steps: tuple[str, ...]
    problem: Problem
    kept: frozenset[int]  # tensors that are graph outputs
    live: tuple[int, ...] = field(init=False)  # words of the tensors that are in memory while a step runs
    index: Mapping[str, int] = field(init=False)

    @classmethod
    def of(
        cls, steps: Sequence[Step], sizes: Mapping[str, int], inputs: Sequence[str], outputs: Sequence[str]
    ) -> StepNeeds:
        problem = Problem.of(steps, sizes, inputs, outputs)
        kept = frozenset(i for i, name in enumerate(problem.names) if name in outputs)
        return cls(tuple(step.name for step in steps), problem, kept)

    def __post_init__(self) -> None:
        change = [0] * (len(self.problem.born) + 2)
        for size, first, last in zip(self.problem.sizes, self.problem.first, self.problem.last, strict=True):
            change[first] += size
            change[last + 1] -= size
        live, total = [], 0
        for step in range(len(self.problem.born)):
            total += change[step]
            live.append(total)
        object.__setattr__(self, "live", tuple(live))
        object.__setattr__(self, "index", {name: i for i, name in enumerate(self.problem.names)})

    def of_step(self, number: int, step: Step) -> int:
        """Bytes that step `number`, run as `step`, needs."""
        needed = self.live[number] + words_of(step.scratch_bytes)
        for target in self.problem.born[number]:
            name = self.problem.names[target]
            dying = [(r, o) for (r, w), o in step.overlap.items() if w == name and self._dies(r, number, target)]
            needed -= self._shared(target, dying)
        return WORD * needed

    def of_chain(self, first: int, last: int, step: Step) -> int:
        """Bytes that a chain of the steps `first` to `last`, run as `step`, needs."""
        problem, target = self.problem, self.index[step.writes[0]]
        needed = self.live[first] - sum(problem.sizes[t] for t in problem.born[first]) + problem.sizes[target]
        dying = [(r, o) for (r, _), o in step.overlap.items() if self._dies(r, first, target, last)]
        return WORD * (needed + words_of(step.scratch_bytes) - self._shared(target, dying))

    def _dies(self, read: str, number: int, target: int, last: int | None = None) -> bool:
        """Whether `read` is read for the last time by step `number` (of a chain up to `last`), and can make room."""
        source = self.index[read]
        return (source not in self.kept and source != target and number <= self.problem.last[source] <= (last or number)
                and (self.problem.first[source] < number or source < target))  # fmt: skip

    def _shared(self, target: int, dying: Sequence[tuple[str, Overlap]]) -> int:
        size, rules = self.problem.sizes[target], []
        for read, overlap in dying:
            other = self.problem.sizes[self.index[read]]
            rule = rule_of(overlap, other, size)
            if rule is not None:
                rules.append((other, *rule))
        return shared_words(size, rules) if rules else 0
