"""The report: what its figures show, and that the page is one whole, safe, reproducible file."""

from __future__ import annotations

import base64
import errno
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest

from tinyml.errors import ProjectError
from tinyml.report import (
    Curve,
    Layer,
    LedgerRow,
    MemoryUse,
    Mistake,
    RunRecord,
    Simulation,
    Tensor,
    render,
    write_report,
)
from tinyml.report.device_figures import largest_parts, layer_cycles, memory_bars
from tinyml.report.figures import all_figures, confusion_matrix, moving_average, training_curves, worst_mistakes
from tinyml.report.memory_map import memory_map, shown_span
from tinyml.report.theme import DARK, LIGHT

BARE = RunRecord(
    "r1", "kws", "2026-01-02 03:04", "0.1.0", "nrf52840", "DK", "simulated", 64_000_000, 1.3, "zig", "a = 1"
)
FEATURES = np.arange(49 * 40, dtype=np.int64).reshape(49, 40).astype(np.int8)


@pytest.fixture(scope="module")
def record() -> RunRecord:
    simulation = Simulation(
        12.5, "boot <ok>\ndetect label=yes score=0.930 t_ms=1240\n", 400_000, 8.1, 60, 0.123, 900, 4096, 0, 0, 71.0,
        "0123456789abcdef" * 4, {"m_layer_00": 9_000, "main": 1_000}, (8, 10, 1),
    )  # fmt: skip
    return replace(
        BARE,
        labels=("silence", "unknown", "yes"),
        curves=(Curve("float", tuple(2 / (1 + i / 20) for i in range(200))), Curve("int8", (0.4, 0.3, 0.2), every=10)),
        accuracies=(("int8 on held-out windows", 0.9125, "1,200 windows"), ("without mean removal", 0.7, "")),
        confusion=np.array([[10, 0, 2], [1, 20, 0], [3, 0, 27]]),
        layers=(Layer("conv", "conv2d", 100_000, 90_000, 80_000, 500, 300), Layer("fc", "fully_connected", 640, 900)),
        steps=("conv", "fc"),
        tensors=(Tensor("in", 0, 1960, 0, 0), Tensor("a", 1960, 4000, 0, 1), Tensor("s", 5960, 40, 0, 0, "scratch")),
        arena_bytes=6000,
        arena_lower_bound_bytes=5960,
        memories=(
            MemoryUse("RAM", 262_144, (("arena", 6000), ("stack", 4096)), 65_536),
            MemoryUse("flash", 1 << 20, (("weights", 500), ("code", 9000))),
        ),
        simulation=simulation,
        mistakes=tuple(Mistake(np.roll(FEATURES, i, axis=0), "yes", "unknown", 0.9 - i / 100) for i in range(14)),
        ledger=(LedgerRow("espeak-ng", "CC0", 100, 120.0), LedgerRow("mine", "", 3, 4.0)),
        warnings=("3 clips without a licence",),
    )


@pytest.fixture(scope="module")
def page(record: RunRecord) -> str:
    return render(record)


def test_page_loads_nothing(page: str) -> None:
    assert page.count("data:image/svg+xml;base64,") == 12, "six figures, each for light and for dark pages"
    assert not re.findall(r'(?:src|srcset|href)="(?!data:)', page)
    assert not re.findall(r"<(?:script|link|iframe)|url\(|@import", page)


def test_pictures_are_whole_svgs(page: str) -> None:
    pictures = re.findall(r"base64,([A-Za-z0-9+/=]+)", page)
    for picture in pictures:
        root = ElementTree.fromstring(base64.b64decode(picture))
        assert root.tag.endswith("svg")
    assert len(set(pictures)) == 12


def test_numbers_are_on_the_page(page: str) -> None:
    for text in ("91.2 %", "10,096", "12.3 %", "8.1 ms", "8 of 10", "70.00 %", "t_ms=1240", "none stated", "80,000",
                 "m_layer_00", "90.0 %", "3 clips without a licence", "fewer than 5,960"):  # fmt: skip
        assert text in page, text


def test_equal_records_give_equal_pages(record: RunRecord, page: str) -> None:
    assert render(record) == page


def test_text_is_escaped(page: str) -> None:
    assert "boot &lt;ok&gt;" in page
    evil = render(replace(BARE, project="<script>alert(1)</script>"))
    assert "<script>" not in evil


class Balance(HTMLParser):
    """Checks that every element is closed in order."""

    VOID = {"meta", "img", "source", "br"}

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.images = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "img":
            self.images += 1
            assert dict(attrs)["alt"], "every picture says what it shows"
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("full", [True, False])
def test_markup_is_balanced(page: str, full: bool) -> None:
    parser = Balance()
    parser.feed(page if full else render(BARE))
    assert parser.open == []
    assert parser.images == (6 if full else 0)


def test_a_run_without_results_says_so() -> None:
    page = render(BARE)
    for text in (
        "No network was compiled",
        "Nothing was evaluated",
        "No training is recorded",
        "was not run on the virtual",
    ):
        assert text in page


def test_a_fault_is_shown(record: RunRecord) -> None:
    failed = replace(BARE, simulation=replace(record.simulation, fault="stack overrun in main (main.c:12)"))
    assert "stack overrun in main (main.c:12)" in render(failed)


def test_the_file_appears_whole(record: RunRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "runs" / "r1" / "report.html"
    seen = []
    assert write_report(BARE, path) == path
    assert path.read_text(encoding="utf-8") == render(BARE)
    write_report(replace(BARE, curves=record.curves), path, lambda what, done, total: seen.append((done, total)))
    assert seen == [(1, 1)]

    before = path.read_bytes()

    def full(self: Path, text: str, encoding: str) -> int:
        self.write_bytes(text.encode()[:100])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(ProjectError, match="No space left"):
        write_report(BARE, path)
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == ["report.html"]


def test_drawing_leaves_matplotlib_as_it_was(record: RunRecord) -> None:
    before = dict(matplotlib.rcParams)
    render(replace(BARE, mistakes=record.mistakes[:1]))
    assert dict(matplotlib.rcParams) == before


def test_neither_pyplot_nor_torch_is_imported() -> None:
    code = "import sys, tinyml.report; sys.exit(any(m in sys.modules for m in ('matplotlib.pyplot', 'torch', 'pyocd')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_memory_map_draws_every_tensor_where_it_lies(record: RunRecord) -> None:
    axes = memory_map(record, LIGHT).axes[0]
    boxes = {(p.get_x(), p.get_y(), p.get_width(), p.get_height()) for p in axes.patches}
    assert boxes == {(-0.5, 0.0, 1, 1.96), (-0.5, 1.96, 2, 4.0), (-0.5, 5.96, 1, 0.04)}
    texts = [t.get_text() for t in axes.texts]
    assert "arena 6,000 bytes" in texts
    assert any(text.startswith("a  4,000") for text in texts)


def test_a_tensor_written_over_its_input_takes_over_in_the_middle_of_the_step() -> None:
    first, second, third = Tensor("a", 0, 100, 0, 1), Tensor("b", 0, 80, 1, 2), Tensor("c", 100, 8, 2, 3)
    spans = [shown_span(t, (first, second, third)) for t in (first, second, third)]
    assert spans == [(-0.5, 1.0), (1.0, 2.5), (1.5, 3.5)]


def test_layer_bars_are_as_long_as_the_cycles(record: RunRecord) -> None:
    axes = layer_cycles(record.layers, LIGHT).axes[0]
    assert [bar.get_width() for bar in axes.patches] == [80_000, 900]
    assert [list(line.get_xdata()) for line in axes.lines] == [[90_000, 90_000]], "an estimate beside what is measured"
    assert "1.25 MAC/cycle" in axes.texts[0].get_text()
    assert "estimates them" in layer_cycles(record.layers[1:], DARK).axes[0].get_xlabel()


def test_confusion_matrix_shows_counts_and_recall(record: RunRecord) -> None:
    axes = confusion_matrix(record.confusion, record.labels, LIGHT).axes[0]
    assert sorted(t.get_text() for t in axes.texts) == sorted(["10", "2", "1", "20", "3", "27"])
    assert [t.get_text() for t in axes.get_yticklabels()] == ["silence  83%", "unknown  95%", "yes  90%"]
    np.testing.assert_allclose(axes.images[0].get_array().sum(axis=1), 1)


def test_a_class_without_windows_does_not_divide_by_zero() -> None:
    axes = confusion_matrix(np.array([[0, 0], [1, 3]]), ("a", "b"), LIGHT).axes[0]
    assert axes.images[0].get_array()[0].tolist() == [0, 0]


def test_curves_follow_each_other(record: RunRecord) -> None:
    lines = training_curves(record.curves, LIGHT).axes[0].lines
    assert list(lines[0].get_xdata()) == list(range(200))
    assert list(lines[2].get_xdata()) == [200, 210, 220]
    assert list(lines[2].get_ydata()) == [0.4, 0.3, 0.2]


@pytest.mark.parametrize("count", [1, 10, 100, 777])
def test_moving_average(count: int) -> None:
    values = np.random.default_rng(count).normal(size=count)
    reach = int(count * 0.02)
    expected = [values[max(i - reach, 0) : i + reach + 1].mean() for i in range(count)]
    np.testing.assert_allclose(moving_average(values), expected)


def test_mistakes_are_drawn_as_the_network_saw_them(record: RunRecord) -> None:
    axes = [a for a in worst_mistakes(record.mistakes, 20.0, LIGHT).axes if a.images]
    assert len(axes) == 12, "the worst twelve"
    for i, panel in enumerate(axes):
        np.testing.assert_array_equal(panel.images[0].get_array(), record.mistakes[i].features.T)
        assert panel.images[0].get_clim() == (-128, 127)
        assert panel.images[0].get_extent() == [0, 0.98, 0, 40]
    assert axes[3].get_title(loc="left") == "yes \u2192 unknown 0.87"


def test_memory_bars_show_use_and_limit(record: RunRecord) -> None:
    ram, flash = memory_bars(record.memories, LIGHT).axes
    assert "10,096 of 262,144 bytes (3.9%), limit 65,536" in ram.texts[0].get_text()
    assert "9,500 of 1,048,576 bytes (0.9%)" in flash.texts[0].get_text()
    widths = [bar.get_width() for bar in ram.patches]
    assert widths == pytest.approx([1, 10_096 / 262_144, 6000 / 10_096, 4096 / 10_096])
    too_full = memory_bars((replace(record.memories[0], limit_bytes=9_000),), LIGHT).axes[0]
    assert too_full.patches[1].get_facecolor() != ram.patches[1].get_facecolor()


def test_many_parts_are_summed_up() -> None:
    parts = tuple((f".s{i}", 10 * (i + 1)) for i in range(9)) + ((".empty", 0),)
    assert largest_parts(MemoryUse("RAM", 1000, parts), 4) == [(".s8", 90), (".s7", 80), (".s6", 70), ("other", 210)]
    assert largest_parts(MemoryUse("RAM", 1000, parts[:2]), 4) == [(".s1", 20), (".s0", 10)]


def test_figures_need_only_what_they_show(record: RunRecord) -> None:
    assert all_figures(BARE) == {}
    assert list(all_figures(replace(BARE, curves=record.curves))) == ["training_curves"]
