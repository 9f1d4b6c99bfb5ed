"""The memory planner: tensors with lifetimes to offsets in one arena. A pure function of steps and sizes.

Two tensors may share bytes when their lifetimes do not meet, or when one is read for the last time by the very
step that writes the other and the operator's `Overlap` allows that distance. Placement is greedy best fit, largest
first; while the result is above the lower bound, the tensor that stands highest is placed earlier and the
greedy pass repeated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tinyml.ir.op import Overlap

TENSOR_ALIGN = 4
ARENA_ALIGN = 16
_MOST_ATTEMPTS = 48


@dataclass(frozen=True)
class Step:
    """One executed layer: tensors it reads and writes, which pairs (read, written) may overlap, its scratch."""

    name: str
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    overlap: Mapping[tuple[str, str], Overlap]
    scratch_bytes: int = 0


@dataclass(frozen=True)
class Placement:
    """`name` occupies [offset, offset + size) from `first_step` to `last_step`, both inclusive.

    `size` is in bytes as asked for; the planner keeps whole words, so up to 3 bytes behind it belong to it too.
    `kind` is "tensor" or "scratch".
    """

    name: str
    offset: int
    size: int
    first_step: int
    last_step: int
    kind: str = "tensor"


@dataclass(frozen=True)
class Plan:
    """Where everything lies. `lower_bound_bytes`: no plan of these steps in this order can be smaller."""

    arena_bytes: int
    lower_bound_bytes: int
    placements: tuple[Placement, ...]

    def __getitem__(self, name: str) -> Placement:
        return next(p for p in self.placements if p.name == name)

    @property
    def peak_step(self) -> int:
        """The first step at which the arena is used up to its end."""
        top = max(self.placements, key=lambda p: p.offset + p.size)
        return top.first_step

    def scratch(self, step_name: str) -> Placement | None:
        """The scratch of a step, if it has any."""
        return next((p for p in self.placements if p.name == f"scratch {step_name}"), None)


@dataclass(frozen=True)
class _Item:
    name: str
    bytes: int  # as asked for
    size: int  # whole words, plus a guard where one is wanted
    first: int
    last: int
    kind: str


def plan_memory(
    steps: Sequence[Step], sizes: Mapping[str, int], inputs: Sequence[str], outputs: Sequence[str], *,
    keep_all: bool = False, guard_bytes: int = 0,
) -> Plan:  # fmt: skip
    """Place every tensor of `steps`; `inputs` live from the start, `outputs` to the end.

    `keep_all` keeps every tensor to the end and apart, to look at them afterwards; `guard_bytes` are left free behind
    each tensor.
    """
    items = _lifetimes(steps, sizes, inputs, outputs, keep_all, guard_bytes)
    pairs: dict[tuple[str, str], Overlap] = {}
    if not keep_all:
        last = {i.name: i.last for i in items}
        for number, step in enumerate(steps):
            dying = {k: o for k, o in step.overlap.items() if last[k[0]] == number and k[0] not in outputs}
            pairs.update(dying)
    bound = _align(_lower_bound(items, pairs, len(steps)), ARENA_ALIGN)
    best, best_bytes = _stack(items) if keep_all else _search(items, pairs, bound)
    placements = tuple(Placement(i.name, best[i.name], i.bytes, i.first, i.last, i.kind) for i in items)
    return Plan(best_bytes, bound, placements)


def _stack(items: Sequence[_Item]) -> tuple[dict[str, int], int]:
    """Everything one behind the other."""
    offsets, end = {}, 0
    for item in items:
        offsets[item.name] = end
        end += item.size
    return offsets, _align(end, ARENA_ALIGN)


def _search(
    items: Sequence[_Item], pairs: Mapping[tuple[str, str], Overlap], bound: int
) -> tuple[dict[str, int], int]:
    """Greedy placements in several orders; the best one and its size."""
    order = sorted(items, key=lambda i: (-i.size, i.first, i.name))
    best: dict[str, int] = {}
    best_bytes = None
    for _ in range(_MOST_ATTEMPTS):
        offsets = _place(order, pairs)
        peak = _align(max((offsets[i.name] + i.size for i in items), default=0), ARENA_ALIGN)
        if best_bytes is None or peak < best_bytes:
            best, best_bytes = offsets, peak
        if best_bytes <= bound:
            break
        highest = max(order, key=lambda i: (offsets[i.name] + i.size, i.first))
        if order[0] is highest:
            break
        order = [highest, *(i for i in order if i is not highest)]
    return best, best_bytes or 0


def _align(value: int, to: int) -> int:
    return -(-value // to) * to


def _lifetimes(
    steps: Sequence[Step], sizes: Mapping[str, int], inputs: Sequence[str], outputs: Sequence[str],
    keep_all: bool, guard_bytes: int,
) -> list[_Item]:  # fmt: skip
    end = max(0, len(steps) - 1)
    first = {name: 0 for name in inputs}
    last = {name: 0 for name in inputs}
    for number, step in enumerate(steps):
        for name in step.writes:
            first.setdefault(name, number)
            last[name] = number
        for name in step.reads:
            last[name] = number
    for name in last:
        if keep_all or name in outputs:
            last[name] = end
        if keep_all:
            first[name] = 0
    words = {n: _align(sizes[n], TENSOR_ALIGN) + guard_bytes for n in first}
    items = [_Item(n, sizes[n], words[n], first[n], last[n], "tensor") for n in first]
    for number, step in enumerate(steps):
        if step.scratch_bytes:
            size = _align(step.scratch_bytes, TENSOR_ALIGN) + guard_bytes
            first_step, last_step = (0, end) if keep_all else (number, number)
            items.append(_Item(f"scratch {step.name}", step.scratch_bytes, size, first_step, last_step, "scratch"))
    return items


def _lower_bound(items: Sequence[_Item], pairs: Mapping[tuple[str, str], Overlap], steps: int) -> int:
    """Largest sum of what is live at one step, each overlapping output counted at its greatest possible saving."""
    size = {i.name: i.size for i in items}
    first = {i.name: i.first for i in items}
    saved = dict.fromkeys(range(max(1, steps)), 0)
    for written in {w for _, w in pairs}:
        gain = 0
        for (read, target), overlap in pairs.items():
            if target == written:
                together = max(max(0, overlap.least_bytes) + size[read], size[written])
                gain += max(0, size[read] + size[written] - together)
        saved[first[written]] += min(gain, size[written])
    return max((sum(i.size for i in items if i.first <= s <= i.last) - saved[s] for s in saved), default=0)


def _place(order: Sequence[_Item], pairs: Mapping[tuple[str, str], Overlap]) -> dict[str, int]:
    offsets: dict[str, int] = {}
    placed: list[_Item] = []
    for item in order:
        others = [p for p in placed if p.first <= item.last and item.first <= p.last]
        candidates = {0}
        for other in others:
            at = offsets[other.name]
            candidates.add(at + other.size)
            if (other.name, item.name) in pairs:
                candidates.add(at - _align(max(0, pairs[other.name, item.name].least_bytes), TENSOR_ALIGN))
            if (item.name, other.name) in pairs:
                candidates.add(at + _align(max(0, pairs[item.name, other.name].least_bytes), TENSOR_ALIGN))
        placed_at = [(o, offsets[o.name]) for o in others]
        fits = [c for c in candidates if c >= 0 and all(_compatible(item, c, o, at, pairs) for o, at in placed_at)]
        peak = max((offsets[p.name] + p.size for p in placed), default=0)
        offsets[item.name] = min(fits, key=lambda c: (max(peak, c + item.size), _gap(c, item, others, offsets), c))
        placed.append(item)
    return offsets


def _gap(offset: int, item: _Item, others: Sequence[_Item], offsets: Mapping[str, int]) -> int:
    """Free bytes between the end of `item` at `offset` and the next tensor above: best fit wants few."""
    above = [offsets[o.name] for o in others if offsets[o.name] >= offset + item.size]
    return min(above) - offset - item.size if above else 1 << 40


def _compatible(a: _Item, a_at: int, b: _Item, b_at: int, pairs: Mapping[tuple[str, str], Overlap]) -> bool:
    if a_at + a.size <= b_at or b_at + b.size <= a_at:
        return True
    if (a.name, b.name) in pairs:  # a is read, b is written
        return pairs[a.name, b.name].allows(a_at - b_at)
    if (b.name, a.name) in pairs:
        return pairs[b.name, a.name].allows(b_at - a_at)
    return False
