"""The order of branches: as good as the best of all orders, never worse than the given one, and the same network."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinyml.board import Isa
from tinyml.compiler import Step, compile_graph, network_cost, order
from tinyml.compiler.order import best_order, with_order
from tinyml.compiler.plan import bytes_needed
from tinyml.compiler.schedule import reorder, schedule
from tinyml.ir.graph import Graph, GraphBuilder
from tinyml.ir.interpret import interpret
from tinyml.ir.op import Overlap
from tinyml.ir.tensor import Const, QuantParams, TensorType
from tinyml.ir.verify import verify
from tinyml.ops import Add, Conv2d, Mean

from .networks import Problem, inverted_residual

HOST = Isa("host")
_QUANT = QuantParams((0.1,), 0)


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    """Directed graphs of up to six steps, some inputs and outputs, overlaps and scratch."""
    inputs = [f"x{n}" for n in range(draw(st.integers(1, 2)))]
    sizes = {name: draw(st.integers(1, 100)) for name in inputs}
    steps = []
    for number in range(draw(st.integers(1, 6))):
        reads = draw(st.lists(st.sampled_from(sorted(sizes)), min_size=1, max_size=2, unique=True))
        name = f"t{number}"
        rule = draw(st.sampled_from([None, Overlap(0), Overlap(8), Overlap(-8), Overlap(0, exact=True)]))
        pairs = {} if rule is None else {(read, name): rule for read in reads}
        sizes[name] = draw(st.integers(1, 100))
        steps.append(Step(f"s{number}", tuple(reads), (name,), pairs, draw(st.sampled_from([0, 0, 60]))))
    outputs = draw(st.lists(st.sampled_from([s.writes[0] for s in steps]), min_size=1, max_size=2, unique=True))
    return steps, sizes, inputs, outputs


def peak(problem: Problem, numbers: tuple[int, ...]) -> int:
    steps, *rest = problem
    return max(bytes_needed([steps[n] for n in numbers], *rest))


def possible(problem: Problem, numbers: tuple[int, ...]) -> bool:
    steps, _, inputs, _ = problem
    known = set(inputs)
    for n in numbers:
        if not known.issuperset(steps[n].reads):
            return False
        known.update(steps[n].writes)
    return True


@settings(max_examples=200, deadline=None)
@given(problems())
def test_no_order_is_better(problem: Problem) -> None:
    given_order, found = tuple(range(len(problem[0]))), best_order(*problem)
    assert possible(problem, found)
    best = min(peak(problem, p) for p in permutations(given_order) if possible(problem, p))
    assert peak(problem, found) == best
    assert found == given_order or best < peak(problem, given_order)


@settings(max_examples=100, deadline=None)
@given(problems())
def test_greedy_orders_are_possible_and_never_worse(problem: Problem) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(order, "MOST_TURNS", 0)
        found = best_order(*problem)
    assert possible(problem, found)
    assert peak(problem, found) <= peak(problem, tuple(range(len(problem[0]))))


def test_the_branch_that_leaves_little_behind_goes_first() -> None:
    """wide -> small and wide -> small, of x: one branch has to be finished before the other one begins."""
    steps = [Step("a", ("x",), ("a",), {}), Step("b", ("x",), ("b",), {}), Step("a1", ("a",), ("a1",), {}),
             Step("b1", ("b",), ("b1",), {}), Step("y", ("a1", "b1"), ("y",), {})]  # fmt: skip
    sizes = {"x": 10, "a": 1000, "b": 1000, "a1": 10, "b1": 10, "y": 10}
    assert best_order(steps, sizes, ["x"], ["y"]) == (0, 2, 1, 3, 4)


def test_nothing_moves_where_a_tensor_is_changed_in_place() -> None:
    steps = [Step("a", ("x",), ("a",), {}), Step("b", ("x",), ("b",), {}), Step("a1", ("a",), ("a1",), {}),
             Step("push", ("b",), ("b",), {}), Step("y", ("a1", "b"), ("y",), {})]  # fmt: skip
    sizes = {"x": 10, "a": 1000, "b": 1000, "a1": 10, "y": 10}
    assert best_order(steps, sizes, ["x"], ["y"]) == (0, 1, 2, 3, 4)


def branches(seed: int, width: int) -> Graph:
    """Branches of expanding and shrinking 1x1 convolutions, all first layers before all second ones."""
    random, net = np.random.default_rng(seed), GraphBuilder("branches")
    x = net.input("x", TensorType((1, 6, 6, 4), "int8", _QUANT))

    def conv(name: str, source: str, channels: int) -> str:
        shape = (channels, 1, 1, net.types[source].shape[-1])
        weights = Const.of(random.integers(-100, 100, shape).astype(np.int8), QuantParams((0.02,), 0))
        bias = Const.of(random.integers(-99, 99, channels).astype(np.int32))
        constants = (net.const(f"{name}_w", weights), net.const(f"{name}_b", bias))
        return net.add(name, Conv2d((1, 1), (0, 0, 0, 0), _QUANT), source, *constants)

    wide = [conv(f"wide{n}", x, int(random.integers(8, 32))) for n in range(width)]
    narrow = [conv(f"narrow{n}", value, 4) for n, value in enumerate(wide)]
    total = narrow[0]
    for n, value in enumerate(narrow[1:]):
        total = net.add(f"sum{n}", Add(_QUANT), total, value)
    return net.build(net.add("y", Mean(), total))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 5))
def test_reordered_networks_compute_the_same_in_no_more_memory(seed: int, width: int) -> None:
    graph = branches(seed, width)
    found = reorder(graph, HOST)
    verify(found)
    assert sorted(n.name for n in found.nodes) == sorted(n.name for n in graph.nodes)
    x = np.random.default_rng(seed).integers(-128, 128, (2, 6, 6, 4)).astype(np.int8)
    np.testing.assert_array_equal(interpret(found, x)[0], interpret(graph, x)[0])
    before, after = (schedule(g, HOST, rows=False).plan.arena_bytes for g in (graph, found))
    assert after <= before
    assert reorder(graph, HOST) == found


def test_compiling_and_costing_use_the_better_order() -> None:
    graph = branches(1, 4)
    plain, cost = schedule(graph, HOST, rows=False).plan.arena_bytes, network_cost(graph, HOST)
    assert cost.arena_bytes < 0.7 * plain
    assert compile_graph(graph, HOST).plan.arena_bytes <= cost.arena_bytes


def test_networks_without_a_choice_are_left_alone() -> None:
    graph = inverted_residual()
    assert reorder(graph, HOST) is graph


def test_nodes_without_code_follow_what_they_read() -> None:
    graph = branches(0, 2)
    names = [n.name for n in graph.nodes if n.name not in ("narrow0", "y")]
    assert [n.name for n in with_order(graph, names).nodes] == ["wide0", "narrow0", "wide1", "narrow1", "sum0", "y"]
