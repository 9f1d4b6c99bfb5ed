"""The picture of a plan: every placement where it lies, the peak named, nothing outside the page."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from tinyml.board import load_board
from tinyml.compiler import Plan, Step, plan_memory
from tinyml.compiler.schedule import schedule
from tinyml.ir.op import Overlap
from tinyml.report.memory_map import bytes_in_use, plan_figure, shown_span, write_plan_figure
from tinyml.report.theme import DARK, LIGHT

from .networks import inverted_residual, residual_steps


@pytest.fixture(scope="module")
def plan() -> Plan:
    return schedule(inverted_residual(), load_board("nrf52840").isa, rows=False).plan


def texts(figure: Figure) -> list[str]:
    return [t.get_text() for t in figure.axes[0].texts]


def test_every_placement_is_a_box_and_scratch_is_hatched(plan: Plan) -> None:
    boxes = plan_figure(plan).axes[0].patches
    places = [(p.offset / 1000, p.size / 1000, p.kind == "scratch") for p in plan.placements]
    assert [(b.get_y(), b.get_height(), b.get_hatch() is not None) for b in boxes] == places


def test_the_peak_and_its_largest_buffers_are_named(plan: Plan) -> None:
    step, (first, second, *_) = plan.steps[plan.peak_step], plan.live_at(plan.peak_step)
    (said,) = [t for t in texts(plan_figure(plan)) if t.startswith("peak")]
    assert said == (f"peak at {step.name}: {plan.bytes_used(plan.peak_step):,} bytes in use, most by "
                    f"{first.name} {first.size:,} and {second.name} {second.size:,}")  # fmt: skip


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=lambda t: t.name)
@pytest.mark.parametrize("long_names", [False, True])
def test_no_text_leaves_the_page(plan: Plan, theme, long_names: bool) -> None:
    if long_names:
        blocks, (steps, sizes, inputs, outputs) = 50, residual_steps(1, 50)
        name = {n: f"{n}_of_a_network_with_long_names" for n in sizes}
        steps = [Step(f"{s.name}_with_a_long_name_{blocks}", tuple(name[r] for r in s.reads),
                      (name[s.writes[0]],), {}, s.scratch_bytes) for s in steps]  # fmt: skip
        plan = plan_memory(steps, {name[n]: size for n, size in sizes.items()}, [name[inputs[0]]], [name[outputs[0]]])
    figure = plan_figure(plan, theme)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    axes, page = figure.axes[0], figure.bbox
    written = [*axes.texts, *axes.get_xticklabels(), *axes.get_yticklabels()]
    for text in written:
        box = text.get_window_extent(canvas.get_renderer())
        assert page.x0 <= box.x0 and box.x1 <= page.x1 and page.y0 <= box.y0 and box.y1 <= page.y1, text.get_text()
    names = [t.get_window_extent(canvas.get_renderer()) for t in axes.get_xticklabels()]
    assert all(a.x1 <= b.x1 for a, b in zip(names, names[1:], strict=False))


def test_boxes_that_share_memory_follow_each_other() -> None:
    steps = [Step("a", ("x",), ("a",), {("x", "a"): Overlap(0)}), Step("b", ("a",), ("b",), {("a", "b"): Overlap(0)})]
    plan = plan_memory(steps, dict.fromkeys("xab", 64), ["x"], ["b"])
    assert plan.arena_bytes == 64
    assert [shown_span(plan[n], plan.placements) for n in "xab"] == [(-0.5, 0.0), (0.0, 1.0), (1.0, 1.5)]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 6))
def test_boxes_never_cover_each_other(seed: int, blocks: int) -> None:
    plan = plan_memory(*residual_steps(seed, blocks))
    spans = [(*shown_span(p, plan.placements), p.offset, p.offset + p.size, p.name) for p in plan.placements]
    for i, a in enumerate(spans):
        for b in spans[i + 1 :]:
            apart = a[1] <= b[0] or b[1] <= a[0] or a[3] <= b[2] or b[3] <= a[2]
            assert apart, (a, b)
    assert all(bytes_in_use(plan.placements, s) <= plan.arena_bytes for s in range(len(plan.steps)))


@pytest.mark.parametrize("suffix", [".png", ".svg"])
def test_files_are_whole_and_reproducible(plan: Plan, tmp_path: Path, suffix: str) -> None:
    first, second = (write_plan_figure(plan, tmp_path / f"{n}{suffix}") for n in "ab")
    assert first.read_bytes() == second.read_bytes()
    assert first.read_bytes().startswith(b"\x89PNG" if suffix == ".png" else b"<?xml")
    assert sorted(p.name for p in tmp_path.iterdir()) == [f"a{suffix}", f"b{suffix}"]
