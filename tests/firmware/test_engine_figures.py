"""The engine's figures do not get worse: those of `make bench`, plus 1 %."""

from __future__ import annotations

from pathlib import Path

import pytest

from tinyml.bench.engine import METRICS, Row, build_and_measure, measured_row, model_file
from tinyml.bench.performance import load_figures
from tinyml.board import load_board
from tinyml.errors import MissingToolError
from tinyml.importers import load_model
from tinyml.toolchain import select

PINNED = load_figures(Path(__file__).with_name("engine_figures.json"))
BOARD = load_board("nrf52840")
SLACK = 1.01
ZIG_SLACK = 1.15
"""zig may need so much more than gcc."""


@pytest.mark.shared
@pytest.mark.parametrize("pinned", PINNED, ids=lambda row: row.network)
def test_no_figure_is_worse_than_the_pinned_one(pinned: Row, shared_dir: Path, tmp_path: Path) -> None:
    compiler, level = pinned.build.split(" -")
    try:
        select(compiler, BOARD.isa)
    except MissingToolError as error:
        pytest.skip(error.message)
    graph = load_model(model_file(shared_dir / "models", pinned.network))
    found = measured_row(pinned.network, build_and_measure(pinned.network, graph, BOARD, tmp_path, compiler, level))
    assert found.exact
    worse = {m: (getattr(found, m), getattr(pinned, m)) for m in METRICS
             if getattr(found, m) > SLACK * getattr(pinned, m)}  # fmt: skip
    assert not worse


@pytest.mark.shared
@pytest.mark.parametrize("pinned", PINNED, ids=lambda row: row.network)
def test_zig_is_exact_and_about_as_fast(pinned: Row, shared_dir: Path, tmp_path: Path) -> None:
    graph = load_model(model_file(shared_dir / "models", pinned.network))
    found = build_and_measure(pinned.network, graph, BOARD, tmp_path, "zig", "O2")
    assert found.exact
    assert found.cycles <= ZIG_SLACK * pinned.cycles


def test_every_network_is_pinned() -> None:
    assert [row.network for row in PINNED] == [
        "mlperf_kws", "mlperf_vww", "mlperf_ic", "mlperf_ad", "mlperf_sww", "mlperf_sww_push", "mcunet_vww",
    ]  # fmt: skip
