"""How small the plans are: exact on linear networks, at the lower bound on residual ones."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinyml.board import load_board
from tinyml.compiler import Step, plan_memory
from tinyml.compiler.plan_chain import links, place_chain
from tinyml.compiler.plan_greedy import greedy
from tinyml.compiler.plan_problem import Problem
from tinyml.compiler.plan_sweep import events, sweep
from tinyml.compiler.schedule import schedule
from tinyml.ir.op import Overlap

from .brute_force import may_lie, smallest_arena
from .networks import inverted_residual, residual, residual_steps

RULES = st.one_of(
    st.none(), st.just(Overlap.anywhere()), st.builds(Overlap, st.integers(-12, 20)),
    st.builds(Overlap, st.sampled_from([-8, -4, 0, 4]), st.just(True)),
)  # fmt: skip


@st.composite
def chains(draw: st.DrawFn) -> Problem:
    sizes = {f"t{n}": 4 * draw(st.integers(1, 5)) for n in range(draw(st.integers(2, 5)))}
    steps = []
    for number in range(len(sizes) - 1):
        read, written, rule = f"t{number}", f"t{number + 1}", draw(RULES)
        pairs = {} if rule is None else {(read, written): rule}
        steps.append(Step(f"s{number}", (read,), (written,), pairs, 4 * draw(st.integers(0, 3))))
        if draw(st.integers(0, 4)) == 0:
            steps.append(Step(f"p{number}", (written,), (written,), {}, 4 * draw(st.integers(0, 3))))
    return Problem.of(steps, sizes, ["t0"], [f"t{len(sizes) - 1}"])


@st.composite
def branched(draw: st.DrawFn) -> Problem:
    sizes, steps = {"x": 4 * draw(st.integers(1, 4))}, []
    for number in range(draw(st.integers(1, 4))):
        reads = draw(st.lists(st.sampled_from(sorted(sizes)), min_size=1, max_size=2, unique=True))
        name = f"t{number}"
        rules = {(read, name): rule for read in reads if (rule := draw(RULES)) is not None}
        sizes[name] = 4 * draw(st.integers(1, 4))
        steps.append(Step(f"s{number}", tuple(reads), (name,), rules, 4 * draw(st.integers(0, 2))))
    return Problem.of(steps, sizes, ["x"], [f"t{len(steps) - 1}"])


def check(problem: Problem, offsets: list[int]) -> None:
    for b in range(len(offsets)):
        for a in range(b):
            assert may_lie(problem, a, offsets[a], b, offsets[b])


@settings(max_examples=150, deadline=None)
@given(chains())
def test_chains_are_placed_in_the_smallest_arena_and_in_no_smaller_one(problem: Problem) -> None:
    chain = links(problem)
    least = smallest_arena(problem)
    assert problem.lower_bound() <= least
    assert place_chain(chain, least - 1) is None
    offsets = place_chain(chain, least)
    assert len(offsets) == len(problem.sizes)
    assert all(0 <= at <= least - size for at, size in zip(offsets, problem.sizes, strict=True))
    check(problem, offsets)


@settings(max_examples=150, deadline=None)
@given(branched())
def test_searches_are_safe_and_never_below_the_optimum(problem: Problem) -> None:
    least = smallest_arena(problem)
    assert problem.lower_bound() <= least
    assert sweep(problem, events(problem), least - 1, 10_000) is None
    offsets, arena = greedy(problem, 0)
    assert arena >= least
    check(problem, offsets)
    found = sweep(problem, events(problem), arena, 10_000)
    if found is not None:
        check(problem, found)


@pytest.mark.parametrize("blocks", [4, 20])
def test_residual_networks_reach_the_lower_bound(blocks: int) -> None:
    plans = [plan_memory(*residual_steps(seed, blocks)) for seed in range(50)]
    assert [p.arena_bytes for p in plans] == [p.lower_bound_bytes for p in plans]


@pytest.mark.parametrize("graph", [inverted_residual(), residual()], ids=lambda g: g.name)
def test_known_architectures_reach_the_lower_bound(graph) -> None:
    plan = schedule(graph, load_board("nrf52840").isa, rows=False).plan
    assert plan.arena_bytes == plan.lower_bound_bytes


def test_drift_of_many_overlaps_is_part_of_the_bound() -> None:
    """Every output lies 16 bytes below its input: five of them do not fit into 80 bytes more than one."""
    names = [f"t{n}" for n in range(7)]
    steps = [Step(a, (a,), (b,), {(a, b): Overlap(16)}) for a, b in zip(names, names[1:], strict=False)]
    plan = plan_memory(steps, dict.fromkeys(names, 320), names[:1], names[-1:])
    assert plan.arena_bytes == plan.lower_bound_bytes == 320 + 6 * 16


def test_the_search_gives_up_after_the_trials_it_is_given() -> None:
    problem = Problem.of(*residual_steps(0, 6))
    order, roomy = events(problem), 2 * problem.lower_bound()
    assert sweep(problem, order, roomy, len(order)) is not None
    assert sweep(problem, order, roomy, len(order) - 1) is None
