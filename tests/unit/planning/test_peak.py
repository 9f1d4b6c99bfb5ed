"""What an error says of a network that does not fit: the fullest layer, the two largest buffers, what would help."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinyml.bench.image import build_image
from tinyml.board import load_board
from tinyml.compiler import Peak, Step, compile_graph, plan_memory
from tinyml.compiler.schedule import schedule
from tinyml.errors import OverBudgetError

from .networks import inverted_residual, residual_steps, start, zero_weights


def test_the_peak_of_a_mobile_net() -> None:
    plan = schedule(inverted_residual(), load_board("nrf52840").isa, rows=False).plan
    peak = Peak.of(plan)
    assert peak.step == "depthwise_5"
    assert peak.details == (
        f"the arena is fullest at layer `depthwise_5`: {plan.bytes_used(plan.peak_step):,} bytes in use",
        "largest buffers there: conv_4 221,184 bytes, depthwise_5 55,296 bytes",
    )
    assert peak.advice.startswith("give `conv_4` fewer channels or the network a lower resolution (without `conv_4`")


def test_scratch_that_is_the_largest_buffer_is_called_that() -> None:
    steps = [Step("a", ("x",), ("a",), {}, 900), Step("b", ("a",), ("b",), {})]
    peak = Peak.of(plan_memory(steps, {"x": 100, "a": 80, "b": 60}, ["x"], ["b"]))
    assert (peak.step, peak.largest) == ("a", "scratch of a 900 bytes, x 100 bytes")
    assert peak.advice == ("make layer `a` smaller: most of what it needs is its own scratch "
                           "(without `scratch of a` the arena needs 140 bytes, at `b`)")  # fmt: skip


def test_a_buffer_that_is_always_there_has_no_next_peak() -> None:
    steps = [Step("a", ("x",), ("a",), {}), Step("b", ("a", "x"), ("b",), {})]
    peak = Peak.of(plan_memory(steps, {"x": 100, "a": 80, "b": 60}, ["x"], ["b"]))
    assert (peak.next_step, peak.advice) == ("", "give `x` fewer channels or the network a lower resolution")


def test_a_plan_without_steps_has_no_peak() -> None:
    assert Peak.of(plan_memory([], {"x": 8}, ["x"], ["x"])) is None


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 8))
def test_no_step_uses_more_and_the_next_one_is_without_the_largest_buffer(seed: int, blocks: int) -> None:
    plan = plan_memory(*residual_steps(seed, blocks))
    peak, steps = Peak.of(plan), {s.name: n for n, s in enumerate(plan.steps)}
    assert peak.bytes_used == max(map(plan.bytes_used, steps.values())) <= plan.arena_bytes
    sizes = [p.size for p in peak.live]
    assert sizes == sorted(sizes, reverse=True)
    if peak.next_step:
        assert peak.live[0] not in plan.live_at(steps[peak.next_step])
        assert peak.next_bytes == plan.bytes_used(steps[peak.next_step]) <= peak.bytes_used


@pytest.mark.parametrize("too_much", ["RAM", "flash"])
def test_an_image_that_does_not_fit_says_what_fills_the_arena(tmp_path: Path, too_much: str) -> None:
    board = load_board("nrf52840")
    net, x = start("wide", 200 if too_much == "RAM" else 8)
    x = net.conv(net.conv(x, 4), 8) if too_much == "RAM" else net.conv(net.conv(x, 1500), 1500)
    graph = net.classify(x, 2)
    graph = replace(graph, consts={name: zero_weights(const) for name, const in graph.consts.items()})
    compiled = compile_graph(graph, board.isa, passes=())
    with pytest.raises(OverBudgetError, match="`wide` does not fit `nrf52840`") as caught:
        build_image(compiled, board, "zig", tmp_path)
    peak, error = Peak.of(compiled.plan), caught.value
    assert (tuple(error.details[2:]), error.hint.startswith(peak.advice)) == (
        (peak.details, True) if too_much == "RAM" else ((), False)
    )
