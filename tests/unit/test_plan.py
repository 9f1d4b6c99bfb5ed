"""The memory planner as a pure function: properties over random step lists, and cases with known answers."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinyml.compiler import Plan, Step, plan_memory
from tinyml.compiler.plan import bytes_needed
from tinyml.ir.op import Overlap


@st.composite
def networks(draw: st.DrawFn) -> tuple[list[Step], dict[str, int], list[str], list[str]]:
    """A random directed graph in execution order, with overlaps and scratch."""
    sizes = {"x": draw(st.integers(1, 5000))}
    steps = []
    for number in range(draw(st.integers(1, 9))):
        reads = draw(st.lists(st.sampled_from(sorted(sizes)), min_size=1, max_size=2, unique=True))
        name = f"t{number}"
        sizes[name] = draw(st.integers(1, 5000))
        overlap = {}
        for read in reads:
            choice = draw(st.sampled_from(["no", "least", "exact", "anywhere"]))
            if choice == "least":
                overlap[read, name] = Overlap(draw(st.integers(-600, 600)))
            elif choice == "exact":
                overlap[read, name] = Overlap(0, exact=True)
            elif choice == "anywhere":
                overlap[read, name] = Overlap.anywhere()
        scratch = draw(st.sampled_from([0, 0, 7, 300, 4000]))
        steps.append(Step(f"s{number}", tuple(reads), (name,), overlap, scratch))
    outputs = draw(st.lists(st.sampled_from([s.writes[0] for s in steps]), min_size=1, max_size=2, unique=True))
    return steps, sizes, ["x"], outputs


def overlapping(plan: Plan) -> list[tuple[str, str]]:
    """Pairs of placements that are live together and share bytes."""
    found = []
    for i, a in enumerate(plan.placements):
        for b in plan.placements[i + 1 :]:
            together = a.first_step <= b.last_step and b.first_step <= a.last_step
            if together and a.offset < b.offset + b.size and b.offset < a.offset + a.size:
                found.append((a.name, b.name))
    return found


@settings(max_examples=150, deadline=None)
@given(networks())
def test_plans_are_safe_and_bounded(network) -> None:
    steps, sizes, inputs, outputs = network
    plan = plan_memory(steps, sizes, inputs, outputs)
    last_read = {name: i for i, s in enumerate(steps) for name in s.reads}
    for pair in overlapping(plan):
        allowed = False
        for number, step in enumerate(steps):
            for read, written in (pair, pair[::-1]):
                rule = step.overlap.get((read, written))
                dies = last_read.get(read) == number and read not in outputs
                if rule is not None and dies and rule.allows(plan[read].offset - plan[written].offset):
                    allowed = True
        assert allowed, f"{pair} share memory"
    whole_words = sum(-(-p.size // 4) * 4 for p in plan.placements)
    assert plan.lower_bound_bytes <= plan.arena_bytes <= whole_words + 15
    assert plan.arena_bytes % 16 == 0
    assert all(p.offset % 4 == 0 and p.offset + p.size <= plan.arena_bytes for p in plan.placements)
    assert {p.name for p in plan.placements if p.kind == "tensor"} == set(inputs) | {s.writes[0] for s in steps}


@settings(max_examples=50, deadline=None)
@given(networks())
def test_kept_tensors_lie_apart(network) -> None:
    steps, sizes, inputs, outputs = network
    plan = plan_memory(steps, sizes, inputs, outputs, keep_all=True, guard_bytes=16)
    places = sorted(plan.placements, key=lambda p: p.offset)
    assert all(a.offset + -(-a.size // 4) * 4 + 16 <= b.offset for a, b in zip(places, places[1:], strict=False))


@settings(max_examples=50, deadline=None)
@given(networks())
def test_plans_are_deterministic(network) -> None:
    assert plan_memory(*network) == plan_memory(*network)


def chain(*sizes: int, overlap: Overlap | None = None, scratch: int = 0) -> Plan:
    names = [f"t{i}" for i in range(len(sizes))]
    steps = [Step(f"s{i}", (a,), (b,), {(a, b): overlap} if overlap else {}, scratch)
             for i, (a, b) in enumerate(zip(names, names[1:], strict=False))]  # fmt: skip
    return plan_memory(steps, dict(zip(names, sizes, strict=True)), names[:1], names[-1:])


@pytest.mark.parametrize(
    ("plan", "arena_bytes"),
    [
        (chain(64, 64), 128),
        (chain(64, 64, 64, 64), 128),
        (chain(64, 64, overlap=Overlap(0)), 64),
        (chain(64, 64, overlap=Overlap(0, exact=True)), 64),
        (chain(64, 128, overlap=Overlap(16)), 128),
        (chain(64, 64, overlap=Overlap(16)), 80),
        (chain(16, 1600, 16, 1600, 16), 1616),
        (chain(64, 64, scratch=160), 288),
        (chain(1, 1), 16),
    ],
)
def test_known_plans(plan: Plan, arena_bytes: int) -> None:
    assert plan.arena_bytes == arena_bytes == plan.lower_bound_bytes


def test_an_input_read_twice_is_not_overwritten() -> None:
    steps = [
        Step("s0", ("x",), ("a",), {("x", "a"): Overlap(0)}),
        Step("s1", ("x", "a"), ("y",), {("x", "y"): Overlap(0), ("a", "y"): Overlap(0)}),
    ]
    plan = plan_memory(steps, {"x": 64, "a": 64, "y": 64}, ["x"], ["y"])
    assert plan.arena_bytes == 128
    assert plan["x"].offset != plan["a"].offset


def test_outputs_survive_to_the_end() -> None:
    steps = [Step("s0", ("x",), ("a",), {}), Step("s1", ("a",), ("b",), {("a", "b"): Overlap(0)})]
    plan = plan_memory(steps, {"x": 64, "a": 64, "b": 64}, ["x"], ["a", "b"])
    assert abs(plan["a"].offset - plan["b"].offset) >= 64


def test_persistent_tensors_lie_at_the_beginning_and_apart() -> None:
    steps = [
        Step("push", ("x", "state"), ("state",), {}),
        Step("s0", ("state",), ("a",), {("state", "a"): Overlap(0)}, 7),
        Step("s1", ("a",), ("y",), {("a", "y"): Overlap(0)}),
    ]
    sizes = {"x": 8, "state": 30, "a": 64, "y": 64}
    plan = plan_memory(steps, sizes, ["x"], ["y"], persistent=["state"])
    assert (plan["state"].offset, plan["state"].kind) == (0, "state")
    assert (plan["state"].first_step, plan["state"].last_step) == (0, 2)
    assert min(p.offset for p in plan.placements if p.name != "state") >= 32
    assert plan.arena_bytes == plan.lower_bound_bytes == 112


@settings(max_examples=100, deadline=None)
@given(networks(), st.data())
def test_nothing_shares_memory_with_persistent_tensors(network, data: st.DataObject) -> None:
    steps, sizes, inputs, outputs = network
    kept = data.draw(st.lists(st.sampled_from(sorted(sizes)), unique=True, max_size=3))
    plan = plan_memory(steps, sizes, inputs, outputs, persistent=kept)
    assert all(plan[name].kind == "state" for name in kept)
    for pair in overlapping(plan):
        assert set(pair).isdisjoint(kept)
    assert plan.lower_bound_bytes <= plan.arena_bytes
    assert plan_memory(steps, sizes, inputs, outputs).lower_bound_bytes <= plan.lower_bound_bytes


@settings(max_examples=100, deadline=None)
@given(networks())
def test_the_peak_is_the_step_with_the_most_bytes_in_use(network) -> None:
    steps, _, _, _ = network
    plan = plan_memory(*network)
    used = [len({byte for p in plan.live_at(step) for byte in range(p.offset, p.end)}) for step in range(len(steps))]
    assert [plan.bytes_used(step) for step in range(len(steps))] == used
    assert plan.peak_step == used.index(max(used))
    live = plan.live_at(plan.peak_step)
    assert all(p.first_step <= plan.peak_step <= p.last_step for p in live)
    assert [p.size for p in live] == sorted((p.size for p in live), reverse=True)


@settings(max_examples=50, deadline=None)
@given(networks())
def test_the_quick_bounds_are_bounds(network) -> None:
    plan, needed = plan_memory(*network), bytes_needed(*network)
    assert len(needed) == len(network[0])
    assert max(needed) <= plan.lower_bound_bytes <= plan.arena_bytes
    assert all(size <= plan.bytes_used(step) for step, size in enumerate(needed))
