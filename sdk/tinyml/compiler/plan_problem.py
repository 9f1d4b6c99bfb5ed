"""The planner's problem in numbers: tensors by index, sizes and distances in whole words, what each step adds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tinyml.ir.op import Overlap

WORD = 4
Rules = dict[int, tuple[int, bool]]


@dataclass(frozen=True)
class Step:
    """One executed layer: tensors it reads and writes, which pairs (read, written) may overlap, its scratch."""

    name: str
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    overlap: Mapping[tuple[str, str], Overlap]
    scratch_bytes: int = 0


@dataclass(frozen=True)
class Problem:
    """Tensors 0 to n - 1 in the order in which they come into being, and steps 0 to m - 1.

    `rules[t]` says which inputs, that die as `t` is written, `t` may overlap: input -> (least, exact), where the
    distance (input's offset less offset of `t`, in words) must be at least, or exactly, `least`. `born[s]` are the
    tensors that step s writes first; the `inputs` exist before step 0.
    """

    names: tuple[str, ...]
    sizes: tuple[int, ...]
    first: tuple[int, ...]
    last: tuple[int, ...]
    inputs: tuple[int, ...]
    born: tuple[tuple[int, ...], ...]
    scratch: tuple[int, ...]
    rules: tuple[Rules, ...]

    @classmethod
    def of(
        cls, steps: Sequence[Step], sizes: Mapping[str, int], inputs: Sequence[str], outputs: Sequence[str],
        persistent: frozenset[str] = frozenset(),
    ) -> Problem:  # fmt: skip
        """`persistent` tensors are left out: they lie apart from all others."""
        index: dict[str, int] = {}
        first: list[int] = []
        last: list[int] = []
        born: list[tuple[int, ...]] = []
        for name in inputs:
            if name not in persistent and name not in index:
                index[name] = len(first)
                first.append(0)
                last.append(0)
        count = len(first)
        for number, step in enumerate(steps):
            for name in step.writes:
                if name not in persistent and name not in index:
                    index[name] = len(first)
                    first.append(number)
                    last.append(number)
            born.append(tuple(range(count, len(first))))
            count = len(first)
            for name in (*step.writes, *step.reads):
                if name in index:
                    last[index[name]] = number
        end = max(0, len(steps) - 1)
        for name in outputs:
            if name in index:
                last[index[name]] = end
        words = tuple(words_of(sizes[name]) for name in index)
        rules = _rules(steps, index, words, first, last, {index[n] for n in outputs if n in index})
        starts = tuple(index[n] for n in dict.fromkeys(inputs) if n in index)
        return cls(tuple(index), words, tuple(first), tuple(last), starts, tuple(born),
                   tuple(words_of(s.scratch_bytes) for s in steps), rules)  # fmt: skip

    def needs(self) -> list[int]:
        """By step, the words that every plan needs: the sum of what is live, scratch included, where every output
        overlaps the inputs it may overlap as far as it may. Without steps, what the inputs need."""
        change = [0] * (len(self.born) + 2)
        for size, first, last in zip(self.sizes, self.first, self.last, strict=True):
            change[first] += size
            change[last + 1] -= size
        found, live = [], 0
        for step, born in enumerate(self.born or ((),)):
            live += change[step]
            need = live + (self.scratch[step] if self.scratch else 0)
            for tensor in born:
                if self.rules[tensor]:
                    rules = [(self.sizes[read], *rule) for read, rule in self.rules[tensor].items()]
                    need -= shared_words(self.sizes[tensor], rules)
            found.append(need)
        return found

    def lower_bound(self) -> int:
        """Words that every plan needs."""
        return max(self.needs())


def shared_words(size: int, rules: Iterable[tuple[int, int, bool]]) -> int:
    """The most words that an output of `size` words can share with inputs, each (size, least, exact)."""
    shared = 0
    for other, least, exact in rules:
        distance = least if exact else max(0, least)
        together = max(size, distance + other) - min(0, distance)
        shared += max(0, size + other - together)
    return min(size, shared)


def words_of(size_bytes: int) -> int:
    return -(-size_bytes // WORD)


def _rules(
    steps: Sequence[Step], index: Mapping[str, int], sizes: Sequence[int], first: Sequence[int], last: Sequence[int],
    kept: set[int],
) -> tuple[Rules, ...]:  # fmt: skip
    rules: list[Rules] = [{} for _ in sizes]
    for number, step in enumerate(steps):
        for (read, written), overlap in step.overlap.items():
            source, target = index.get(read), index.get(written)
            if source is None or target is None or source == target or source in kept:
                continue
            if last[source] != number or first[target] != number or first[source] == number and source > target:
                continue
            rule = rule_of(overlap, sizes[source], sizes[target])
            if rule is not None:
                rules[target][source] = rule
    return tuple(rules)


def rule_of(overlap: Overlap, read_words: int, written_words: int) -> tuple[int, bool] | None:
    """(least, exact) in words, or None where nothing can be shared at whole words."""
    if overlap.exact and overlap.least_bytes % WORD:
        return None
    least = max(words_of(overlap.least_bytes), -read_words)
    return (least, overlap.exact) if least < written_words else None
