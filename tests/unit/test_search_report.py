"""The report of a search: what its figures and numbers are, at every stage, and that it is one safe file."""

from __future__ import annotations

import base64
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from tests.search_records import CLASSES, audio_space, image_space, searched

from tinyml.board import Isa, load_board
from tinyml.errors import Progress
from tinyml.nas.budget import Budget
from tinyml.nas.pareto import hypervolume
from tinyml.nas.record import Baseline, SearchRecord, SpaceResult
from tinyml.report.candidate_figures import CYCLES, SRAM, Axis, candidates, progress_curves, reference, volume
from tinyml.report.page import Picture
from tinyml.report.search_facts import budget_of, described, energy, number
from tinyml.report.search_figures import loss_curves, save_figures, search_figures
from tinyml.report.search_report import render_search, write_search_report
from tinyml.report.space_figures import macs_curves, named_spaces, space_map
from tinyml.report.theme import DARK, LIGHT

BUDGET = Budget(14_000, 60_000, 2_600_000)
ALL = ["pareto_cycles", "pareto_sram", "network", "space_curves", "space_map", "progress", "losses", "minutes"]


@pytest.fixture(scope="module")
def record() -> SearchRecord:
    return searched(audio_space((20, 30), (20,), 3), BUDGET, samples=20, evaluations=40)


@pytest.fixture(scope="module")
def page(record: SearchRecord) -> str:
    return render_search(record)


@pytest.fixture(scope="module")
def isa() -> Isa:
    return load_board("nrf52840").isa


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages whose pictures are only named, for tests of what is written."""

    def named(drawings: dict, describe: Callable[[str], str], progress: Progress) -> dict[str, Picture]:
        return {name: Picture("data:,", "data:,", describe(name)) for name in drawings}

    monkeypatch.setattr("tinyml.report.search_report.pictures_of", named)


def bare(record: SearchRecord) -> SearchRecord:
    """The same search before anything was done."""
    return SearchRecord(record.board, record.seed, record.classes, record.counts, record.space, record.budgets)


def test_page_loads_nothing(page: str) -> None:
    assert page.count("data:image/svg+xml;base64,") == 2 * len(ALL), "each for light and for dark pages"
    assert not re.findall(r'(?:src|srcset|href)="(?!data:)', page)
    assert not re.findall(r"<(?:script|link|iframe)|url\(|@import|https?:", page)
    for picture in re.findall(r"base64,([A-Za-z0-9+/=]+)", page):
        root = ElementTree.fromstring(base64.b64decode(picture))
        assert root.tag.endswith("svg")
        links = [v for e in root.iter() for k, v in e.attrib.items() if k.endswith("href")]
        assert all(v.startswith(("#", "data:image/png;base64,")) for v in links)


def test_headline_stands_beside_the_budget(record: SearchRecord, undrawn: None) -> None:
    page = render_search(record)
    final, board = record.final, load_board("nrf52840")
    assert final is not None and final.measured_cycles is not None
    for text in (f"{final.int8_accuracy:.1%}", f"{final.arena_bytes:,}", "of 14,000", f"{final.flash_bytes:,}",
                 "of 60,000", f"{final.measured_cycles:,}", "cycles, measured", "of 2,600,000, at zero wait states",
                 f"{board.milliseconds(final.measured_cycles):.3g} ms", "64 MHz"):  # fmt: skip
        assert text in page, text
    assert "tile bad" not in page
    over = replace(record, final=replace(final, arena_bytes=14_001))
    assert render_search(over).count("tile bad") == 1


def test_networks_are_in_the_tables(record: SearchRecord, page: str) -> None:
    rows = re.findall(r'<tr><td class="n">(.*?)</tr>', page, re.DOTALL)
    assert len(rows) == len(record.pareto) + len(record.baselines)
    assert sum("<b>chosen</b>" in row for row in rows) == 1
    for i in record.pareto:
        found = record.evaluations[i]
        text = f"{described(record.space, found.genome)}</td>"
        row = next(r for r in rows if unescape(r).endswith((f"<td>{text}", f"</b>: {text}")))
        for value in (found.cost.cycles, found.cost.arena_bytes, found.cost.flash_bytes, found.cost.macs):
            assert f">{value:,}<" in row
    assert all(any(f">{b.name}<" in row for row in rows) for b in record.baselines)


def test_costs_are_said_with_their_assumption(record: SearchRecord, undrawn: None) -> None:
    used, page = energy(record), render_search(record)
    assert used.total_seconds == pytest.approx(130 + 1720 + 910 + 890)
    assert used.watt_hours == pytest.approx((130 + 1720 + 910 + 890) / 3600 * 15)
    assert "60.8 minutes in all. About 15.2 Wh of energy, if the computer drew 15 W throughout: an assumption" in page
    assert "3.5 seconds in all. No electrical" in render_search(replace(bare(record), seconds={"spaces": 3.5}))
    assert "the energy is not estimated" in render_search(replace(bare(record), seconds=record.seconds))


def stages(record: SearchRecord) -> dict[str, SearchRecord]:
    """The record as a search extends it."""
    found = {"nothing": bare(record)}
    for name, fields in {
        "spaces": ("spaces",), "chosen spaces": ("chosen_spaces", "seconds"), "supernet": ("losses",),
        "evaluations": ("evaluations",), "evolution": ("pareto", "chosen"), "random": ("random",),
        "baselines": ("baselines",), "final": ("final", "watts"),
    }.items():  # fmt: skip
        last = list(found.values())[-1]
        found[name] = replace(last, **{field: getattr(record, field) for field in fields})
    return found


class Balance(HTMLParser):
    """Checks that every element is closed in order, and that pictures have words."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "img":
            self.words.append(dict(attrs)["alt"] or "")
        if tag not in ("meta", "img", "source", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("name", ["spaces", "supernet"])
def test_an_unfinished_search_can_be_drawn(record: SearchRecord, name: str) -> None:
    unfinished = stages(record)[name]
    figures = search_figures(unfinished, None)
    assert render_search(unfinished).count("data:image/svg+xml;base64,") == 2 * len(figures)


def test_a_report_can_be_written_at_any_stage(record: SearchRecord, isa: Isa, undrawn: None) -> None:
    shown = {}
    for name, unfinished in stages(record).items():
        parser = Balance()
        parser.feed(render_search(unfinished))
        assert parser.open == [] and all(parser.words)
        shown[name] = list(search_figures(unfinished, isa))
        assert len(parser.words) == len(shown[name])
    assert shown["nothing"] == []
    assert shown["spaces"] == ["space_curves", "space_map"]
    assert shown["supernet"] == ["space_curves", "space_map", "losses", "minutes"]
    assert "network" not in shown["evaluations"] and "progress" in shown["evaluations"]
    assert shown["evolution"] == shown["final"] == ALL


def test_what_is_missing_is_said(record: SearchRecord, undrawn: None) -> None:
    empty = render_search(bare(record))
    for text in ("no network has been chosen yet", "No candidate has been evaluated", "not been compared yet",
                 "No stage has been finished"):  # fmt: skip
        assert text in empty
    assert "has not been trained by itself yet" in render_search(stages(record)["evolution"])
    nothing_fits = replace(bare(record), spaces=(SpaceResult((0, 0), 20, ()), SpaceResult((0, 1), 20, ())))
    assert "Of no space does any network fit" in render_search(nothing_fits)


def test_a_board_that_is_not_known_costs_milliseconds_only(record: SearchRecord, undrawn: None) -> None:
    own = render_search(replace(record, board="my_board"))
    assert "No board called `my_board` is known here" in own
    assert ">ms<" not in own and "per inference" not in own and "of 14,000" in own
    given = render_search(replace(record, board="my_board"), board=load_board("nrf52840"))
    assert given.replace("my_board", "nrf52840") == render_search(record)
    untimed = render_search(record, board=replace(load_board("nrf52840"), core_time=None))
    assert ">ms<" not in untimed and "is known here" not in untimed


def test_text_is_escaped(record: SearchRecord, undrawn: None) -> None:
    evil = "<script>alert('&')</script>"
    cost = record.baselines[0].cost
    page = render_search(replace(record, board=evil, space=replace(record.space, name=evil),
                                 baselines=(Baseline(evil, 0.9, cost),), seconds={evil: 1.0}))  # fmt: skip
    assert "<script>" not in page
    assert page.count("&lt;script&gt;") >= 3


def test_the_file_appears_whole_and_the_same(record: SearchRecord, tmp_path: Path) -> None:
    seen, early = [], replace(bare(record), losses=record.losses, seconds=record.seconds)
    path = write_search_report(early, tmp_path / "a" / "report.html", lambda what, done, total: seen.append(done))
    assert path.read_text(encoding="utf-8") == render_search(early)
    assert seen == [1, 2]
    assert [p.name for p in path.parent.iterdir()] == ["report.html"]


def test_figures_are_kept_as_files_that_do_not_change(record: SearchRecord, tmp_path: Path, isa: Isa) -> None:
    first = save_figures(record, tmp_path / "a", isa)
    second = save_figures(record, tmp_path / "b", isa)
    assert [p.name for p in first] == [f"{name}.svg" for name in ALL]
    for one, other in zip(first, second, strict=True):
        text = one.read_text()
        assert text == other.read_text()
        assert not re.search(r"20\d\d-\d\d-\d\d|dc:date|matplotlib v", text)
        ElementTree.fromstring(text)


def test_neither_pyplot_nor_torch_is_imported() -> None:
    code = ("import sys, tinyml.report.search_report; "
            "sys.exit(any(m in sys.modules for m in ('matplotlib.pyplot', 'torch', 'ray')))")  # fmt: skip
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# ---- the figures -----------------------------------------------------------------------------------------------------


def test_curves_are_the_distributions_of_what_fits(record: SearchRecord) -> None:
    axes = macs_curves(record, LIGHT).axes[0]
    results = {r.space: r for r in record.spaces}
    named = named_spaces(record)
    assert named == record.chosen_spaces and len(axes.lines) == len(named)
    for space, line in zip(named, axes.lines, strict=True):
        macs = np.array(results[space].macs)
        x, y = line.get_data()
        np.testing.assert_allclose(y[1:], [(macs <= round(v * 1e6)).mean() for v in x[1:]])
        assert y[-1] == 1
    grey = [r for r in record.spaces if r.fitting and r.space not in named]
    assert len(axes.collections[0].get_segments()) == len(grey)


def test_before_spaces_are_chosen_the_largest_stand_out(record: SearchRecord) -> None:
    named = named_spaces(replace(record, chosen_spaces=()))
    means = {r.space: r.mean_macs for r in record.spaces if r.fitting}
    assert sorted((means[s] for s in named), reverse=True) == sorted(means.values(), reverse=True)[: len(named)]


def test_map_shows_every_space_and_frames_the_chosen(record: SearchRecord) -> None:
    left, right = space_map(record, DARK).axes
    width = len(record.space.widths)
    texts = [t.get_text() for t in right.texts]
    for result in record.spaces:
        place = result.space[0] * width + result.space[1]
        assert texts[place] == f"{100 * result.fitting / result.sampled:.0f}"
        assert left.texts[place].get_text() == (number(result.mean_macs / 1e6) if result.fitting else "\u2013")
    frames = [(p.get_y() + 0.5, p.get_x() + 0.5) for p in left.patches]
    assert frames == list(record.chosen_spaces)


@pytest.mark.parametrize("axis", [CYCLES, SRAM], ids=["cycles", "sram"])
def test_candidates_are_where_they_cost_and_score(record: SearchRecord, axis: Axis) -> None:
    close = tuple(replace(b, ram_bytes=int(1.2 * max(e.cost.arena_bytes for e in record.random)))
                  for b in record.budgets)  # fmt: skip
    record = replace(record, budgets=close)
    axes = candidates(record, axis, LIGHT).axes[0]
    clouds = {line.get_marker(): line for line in axes.lines if line.get_alpha() == 0.4}
    for marker, found in (("o", record.evaluations), ("s", record.random)):
        expected = [(axis.of(e.cost) / axis.unit, e.accuracy) for e in found]
        np.testing.assert_allclose(clouds[marker].get_xydata(), expected)
    stairs = [line for line in axes.lines if "at most this cost" in str(line.get_label())]
    assert len(stairs) == 2
    for line in stairs:
        assert (np.diff(line.get_ydata()) >= 0).all() and (np.diff(line.get_xdata()) >= 0).all()
    stars = [line.get_xydata()[0].tolist() for line in axes.lines if line.get_marker() == "*"]
    best = record.evaluations[record.chosen]
    assert stars[0] == [axis.of(best.cost) / axis.unit, best.accuracy]
    assert stars[1] == [axis.final(record) / axis.unit, record.final.int8_accuracy]
    budget = axis.budget(record) / axis.unit
    assert any(list(line.get_xdata()) == [budget, budget] for line in axes.lines)
    low, high = axes.get_xlim()
    assert low <= min(axis.of(e.cost) for e in record.evaluations) / axis.unit and high >= budget


def test_a_far_budget_is_written_and_wide_costs_are_logarithmic(record: SearchRecord, undrawn: None) -> None:
    far = replace(record, budgets=tuple(replace(b, cycles=90_000_000) for b in record.budgets))
    axes = candidates(far, CYCLES, LIGHT).axes[0]
    assert "budget 90 \u2192" in [t.get_text() for t in axes.texts]
    slim = replace(record.baselines[0], cost=replace(record.baselines[0].cost, cycles=20_000))
    assert candidates(replace(record, baselines=(slim,)), CYCLES, LIGHT).axes[0].get_xscale() == "log"
    unlimited = replace(record, budgets=tuple(replace(b, cycles=None) for b in record.budgets))
    assert "no limit" in render_search(unlimited)


def test_names_of_baselines_do_not_cover_each_other(record: SearchRecord) -> None:
    cost = record.baselines[0].cost
    close = tuple(Baseline(f"network {i}", 0.9 + 0.0005 * i, cost) for i in range(4))
    axes = candidates(replace(record, baselines=close), CYCLES, LIGHT).axes[0]
    figure = axes.figure
    figure.savefig("/dev/null", format="svg")
    names = [t for t in axes.texts if t.get_text().startswith("network")]
    boxes = [t.get_window_extent() for t in names]
    assert len(boxes) == 4
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[i + 1 :])


def test_one_candidate_is_enough(record: SearchRecord, undrawn: None, tmp_path: Path) -> None:
    alone = replace(stages(record)["evolution"], evaluations=record.evaluations[:1], pareto=(0,), chosen=0)
    candidates(alone, CYCLES, LIGHT).savefig(tmp_path / "candidates.svg")
    progress_curves(alone, LIGHT).savefig(tmp_path / "progress.svg")
    assert "1 candidate," in render_search(alone)


def test_progress_is_the_best_so_far(record: SearchRecord) -> None:
    above, below = progress_curves(record, LIGHT).axes
    shares = [e.accuracy for e in record.evaluations]
    line = next(x for x in above.lines if str(x.get_label()).startswith("evolution"))
    assert list(line.get_ydata()) == [max(shares[: n + 1]) for n in range(len(shares))]
    assert [list(x.get_xdata()) for x in below.lines] == [list(range(1, 41))] * 2
    assert below.lines[0].get_ydata()[-1] == volume(record, record.evaluations)
    floor, ceiling = reference(record)
    assert (floor, ceiling) == (1 / CLASSES, 2_600_000)
    points = [(e.accuracy, e.cost.cycles) for e in record.evaluations]
    assert volume(record, record.evaluations) == hypervolume(points, (floor, ceiling)) / ((1 - floor) * ceiling)


def test_losses_are_one_curve_per_phase_and_thinned(record: SearchRecord) -> None:
    alone, shared = loss_curves(record)
    assert (len(alone.values), len(shared.values)) == (300, 600)
    assert alone.values + shared.values == record.losses
    (odd,) = loss_curves(replace(record, losses=tuple(float(i) for i in range(2501))))
    assert (len(odd.values), odd.every) == (501, 5)
    assert odd.values[0] == 2.0 and odd.values[-1] == 2500


def test_the_budget_is_that_of_the_chosen_input(record: SearchRecord) -> None:
    budgets = (Budget(9_000, 60_000, 3_000_000), Budget(14_000, 50_000, 1_000_000))
    geometry = record.evaluations[record.chosen].genome.geometry
    assert budget_of(replace(record, budgets=budgets)) == budgets[geometry]
    assert budget_of(replace(record, budgets=budgets, chosen=None)) == Budget(14_000, 60_000, 3_000_000)


def test_108_spaces_and_600_candidates_stay_below_two_megabytes() -> None:
    space, rng = image_space(), np.random.default_rng(0)
    found = searched(image_space(2, 2), Budget(300_000, 900_000, 60_000_000), samples=4, evaluations=30)
    spaces = tuple(SpaceResult(s, 1000, tuple(sorted(rng.integers(1e6, 3e7, rng.integers(1, 1001)).tolist())))
                   for s in space.spaces)  # fmt: skip
    many = tuple(replace(e, accuracy=float(rng.uniform(0.8, 0.97)),
                         cost=replace(e.cost, cycles=int(rng.integers(5e6, 6e7)), arena_bytes=int(rng.integers(3e5))))
                 for e in found.evaluations * 20)  # fmt: skip
    record = replace(found, space=space, budgets=(found.budgets[0],) * len(space.geometries), spaces=spaces,
                     evaluations=many, random=many[::-1], chosen=0, pareto=tuple(range(40)),
                     losses=tuple(rng.uniform(0.5, 2, 20_000).tolist()))  # fmt: skip
    page = render_search(record)
    assert len(page) < 2_000_000
    one = replace(bare(record), space=audio_space((20,), (20,), 1), budgets=(BUDGET,),
                  spaces=(SpaceResult((0, 0), 3, (1_000_000,)),))  # fmt: skip
    assert list(search_figures(one, None)) == ["space_curves"]
    page = render_search(one)
    assert "no space has been chosen yet" in page and page.count("data:image/svg+xml;base64,") == 2
