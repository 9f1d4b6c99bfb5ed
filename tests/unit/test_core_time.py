"""The time model of the Cortex-M7 is what its published points give, and boards apply it in both directions."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinyml.board import load_board
from tinyml.board.core_time import TimePair, fit, read_pairs
from tinyml.errors import ProjectError
from tinyml.project import load_config
from tinyml.resources import apps_dir, board_support_dir

TIMES = board_support_dir() / "arch" / "armv7em" / "cortex-m7-time.toml"
BOARDS = ("nrf52840", "stm32f412", "stm32f746g_disco", "stm32f767", "nucleo_h743zi")


loaded = cache(load_board)


def pair(cycles_m4: float, cycles: float) -> TimePair:
    return TimePair("engine", "network", "board", cycles_m4, cycles)


def test_the_fit_is_the_least_squares_constant_of_the_logarithms() -> None:
    factor, rms, largest = fit([pair(100, 50), pair(1e6, 2e6)])
    assert factor == pytest.approx(1.0)  # twice as fast and half as fast, whatever the sizes
    assert (rms, largest) == (pytest.approx(math.sqrt((1 + 0.25) / 2)), pytest.approx(1.0))

    def loss(x: float) -> float:
        return sum((math.log(x) - math.log(p.ratio)) ** 2 for p in read_pairs(TIMES))

    best = fit(read_pairs(TIMES))[0]
    assert loss(best) < min(loss(best * 0.99), loss(best * 1.01))


def test_arch_toml_holds_what_the_points_give() -> None:
    pairs = read_pairs(TIMES)
    assert len(pairs) == 16 and len({(p.software, p.board, p.network) for p in pairs}) == 16
    model = load_board("stm32f767").require_time_model()
    assert (model.factor, model.residual_rms, model.residual_max) == tuple(round(x, 3) for x in fit(pairs))
    assert str(len(pairs)) in model.source and TIMES.name in model.source


def test_the_points_are_the_published_latencies() -> None:
    """Latency table of Plumerai's README in tiny_results_v1.1, which rounds to 0.01 ms."""
    published = {
        ("DISCO-F746NG", 216e6): (17.75, 34.08, 62.88, 1.71), ("NUCLEO-H7A3ZI-Q", 280e6): (13.86, 26.82, 50.93, 1.35)
    }  # fmt: skip
    pairs = [p for p in read_pairs(TIMES) if p.software.startswith("Plumerai")]
    assert [p.cycles_m4 / 120e6 * 1e3 for p in pairs[:4]] == pytest.approx((47.78, 98.76, 167.76, 4.05), abs=0.006)
    for (board, hz), latencies in published.items():
        found = [p.cycles / hz * 1e3 for p in pairs if p.board == board]
        assert found == pytest.approx(latencies, abs=0.006)


def test_the_page_states_points_and_residuals() -> None:
    page = (board_support_dir() / "README.md").read_text()
    pairs = read_pairs(TIMES)
    factor, rms, largest = fit(pairs)
    assert f"{factor:.3f} for the Cortex-M7" in page
    assert f"Residuals: {rms * 100:.0f} % rms, {largest * 100:.0f} % at worst" in page
    rows = re.findall(r"^\| .*MHz((?: \| 0\.\d{3}){4}) \|$", page, re.M)
    stated = [float(x) for row in rows for x in re.findall(r"[\d.]+", row)]
    assert stated == pytest.approx([p.ratio for p in pairs], abs=0.00051)


def test_the_cortex_m4_is_the_measure() -> None:
    for name in ("nrf52840", "stm32f412"):
        model = load_board(name).require_time_model()
        assert (model.factor, model.residual_rms, model.residual_max) == (1, 0, 0)
    assert load_board("nrf52840").milliseconds(64e6) == pytest.approx(1300)


@pytest.mark.parametrize("name", BOARDS)
@settings(deadline=None)
@given(milliseconds=st.floats(0, 1e5))
def test_cycles_are_the_most_that_fit_a_time(name: str, milliseconds: float) -> None:
    board = loaded(name)
    cycles = board.cycles(milliseconds)
    assert board.milliseconds(cycles) <= milliseconds
    assert board.milliseconds(cycles + 1) > milliseconds * (1 - 1e-9)


def test_time_is_factor_times_factor_over_clock() -> None:
    board = load_board("stm32f746g_disco")
    by_hand = 10e6 * board.core_time.factor * board.time_factor / 216e6 * 1e3
    assert board.milliseconds(10e6) == pytest.approx(by_hand) and 37 < by_hand < 38


def test_latency_and_duty_go_through_the_board() -> None:
    from tinyml.limits import estimate_load

    config = load_config(apps_dir() / "kws")
    m4, m7 = load_board("nrf52840"), load_board("stm32f746g_disco")
    slow, fast = (estimate_load(config, board, 2_000_000, 100_000) for board in (m4, m7))
    per_second = 2_000_000 * config.detect.inferences_per_second + 100_000 * 1000 / config.features.hop_ms
    assert slow.duty == pytest.approx(per_second * m4.time_factor / m4.cpu_hz)
    assert slow.latency_ms == pytest.approx(2_000_000 * m4.time_factor / m4.cpu_hz * 1e3)
    ratio = m7.core_time.factor * m7.time_factor / m7.cpu_hz / (m4.time_factor / m4.cpu_hz)
    assert (fast.duty, fast.latency_ms) == (pytest.approx(slow.duty * ratio), pytest.approx(slow.latency_ms * ratio))
    native = estimate_load(config, load_board("host"), 2_000_000, 100_000)
    assert native.latency_ms is None and native.duty is None


def test_a_board_without_a_time_model_is_refused_by_name() -> None:
    unknown = replace(load_board("nrf52840"), name="badge", cpu="cortex-m33", core_time=None)
    for ask in (unknown.require_time_model, lambda: unknown.milliseconds(1), lambda: unknown.cycles(1)):
        with pytest.raises(ProjectError, match="`badge` has no time model: .* `cortex-m33`") as caught:
            ask()
        assert all(name in caught.value.hint for name in BOARDS) and "host" not in caught.value.hint
    assert load_board("host").core_time is None


def test_a_factor_of_nothing_is_refused(tmp_path: Path) -> None:
    text = TIMES.read_text().replace("hz = 120e6", "hz = 0.0", 1)
    (tmp_path / "times.toml").write_text(text)
    with pytest.raises(ProjectError, match="greater than 0"):
        read_pairs(tmp_path / "times.toml")
