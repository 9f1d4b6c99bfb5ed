"""Stage 1: a table that depends on nothing but the question, and spaces chosen from it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from joblib.externals.loky import get_reusable_executor
from tests.terminal import started

from tinyml.architecture import Geometry
from tinyml.board import load_board
from tinyml.errors import ProjectError
from tinyml.nas import space_choice
from tinyml.nas.budget import Budget
from tinyml.nas.costing import Costs
from tinyml.nas.record import SpaceResult
from tinyml.nas.space import INVERTED_RESIDUAL, SearchSpace, StageSpec, StemSpec
from tinyml.nas.space_choice import CostTable, choose, cost_spaces, fitting, sampled

KERNELS = ((3, 3), (5, 5))
SPACE = SearchSpace(
    "small", INVERTED_RESIDUAL, (Geometry(16, 16, 3), Geometry(56, 56, 3)), (0.5, 1.0),
    StemSpec(8, ((3, 3),), (2, 2)),
    (StageSpec(8, (1, 1), (1,), KERNELS, (1.0,), True), StageSpec(16, (2, 2), (1, 2), KERNELS, (2.0, 4.0), True)),
)  # fmt: skip
ROOMY = Budget(1 << 20, 1 << 20)
TIGHT = Budget(19_000, 1 << 20)


@pytest.fixture(scope="module")
def costs() -> Costs:
    return Costs(SPACE, 4, load_board("nrf52840").isa)


def cost(costs: Costs, folder: Path, **options: object) -> CostTable:
    options = {"seed": 3, "budgets": [[TIGHT, TIGHT]], "workers": 1} | options
    return cost_spaces(costs, 6, folder=folder, **options)


def equal(a: CostTable, b: CostTable) -> bool:
    names = ("macs", "cycles", "arena_bytes", "flash_bytes")
    return a.spaces == b.spaces and all(np.array_equal(getattr(a, n), getattr(b, n)) for n in names)


@pytest.fixture(scope="module")
def table(costs: Costs, tmp_path_factory: pytest.TempPathFactory) -> CostTable:
    return cost(costs, tmp_path_factory.mktemp("table"))


def test_the_table_does_not_depend_on_workers_and_parts(costs: Costs, table: CostTable, tmp_path: Path,
                                                        monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    monkeypatch.setattr(space_choice, "CHUNK", 4)
    assert equal(cost(costs, tmp_path, workers=2), table)
    assert len(list(tmp_path.iterdir())) == 8


def test_entries_are_the_costs_of_the_drawn_networks(costs: Costs, table: CostTable) -> None:
    for number in (0, 3):
        for index in range(6):
            genome = sampled(SPACE, 3, number, index)
            assert genome.space == SPACE.spaces[number]
            found = costs.quick(genome) if costs.quick(genome).arena_bytes <= TIGHT.ram_bytes else costs.cost(genome)
            assert table.arena_bytes[number, index] == found.arena_bytes
            assert table.flash_bytes[number, index] == found.flash_bytes
            assert (table.macs[number, index], table.cycles[number, index]) == (found.macs, found.cycles)


def test_another_seed_draws_other_networks(costs: Costs, table: CostTable, tmp_path: Path) -> None:
    assert not np.array_equal(cost(costs, tmp_path, seed=4).macs, table.macs)


def test_a_table_goes_on_where_it_was_stopped(costs: Costs, table: CostTable, tmp_path: Path,
                                              monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    cost(costs, tmp_path)
    kept, lost = sorted(tmp_path.iterdir())[:2]
    before = kept.stat().st_mtime_ns
    lost.write_bytes(lost.read_bytes()[:100])
    (tmp_path / ".half.1.partial.npz").write_bytes(b"half")
    calls = []
    assert equal(cost(costs, tmp_path, progress=lambda what, done, total: calls.append((done, total))), table)
    assert kept.stat().st_mtime_ns == before and calls == [(24, 24)]
    assert not list(tmp_path.glob("*.partial.npz"))


def test_a_table_for_another_board_is_not_mistaken_for_this_one(costs: Costs, table: CostTable, tmp_path: Path) -> None:
    cost(costs, tmp_path, budgets=[[ROOMY, ROOMY]])
    assert equal(cost(costs, tmp_path), table)
    assert len(list(tmp_path.iterdir())) == 8


def test_rows_are_looked_at_where_only_ram_is_short(costs: Costs, table: CostTable, tmp_path: Path) -> None:
    plain = cost(costs, tmp_path, budgets=[[ROOMY, ROOMY]])
    changed = plain.arena_bytes != table.arena_bytes
    assert changed.any() and (plain.arena_bytes[changed] > TIGHT.ram_bytes).all()
    assert (table.arena_bytes <= plain.arena_bytes).all()
    assert fitting(plain, [TIGHT, TIGHT]) != fitting(table, [TIGHT, TIGHT])


def test_rows_are_not_looked_at_where_flash_is_short_too(costs: Costs, table: CostTable, tmp_path: Path) -> None:
    plain = cost(costs, tmp_path, budgets=[[ROOMY, ROOMY]])
    little = Budget(TIGHT.ram_bytes, int(plain.flash_bytes[table.arena_bytes < plain.arena_bytes].min()) - 1)
    found = cost(costs, tmp_path, budgets=[[little, little]])
    short = (table.arena_bytes < plain.arena_bytes) & (found.arena_bytes > 0)  # 0: not even scheduled
    assert short.any() and np.array_equal(found.arena_bytes[short], plain.arena_bytes[short])


@pytest.mark.parametrize("limited", ["cycles", "flash_bytes"])
def test_what_no_schedule_could_save_is_not_scheduled(costs: Costs, tmp_path: Path, limited: str) -> None:
    plain = cost(costs, tmp_path, budgets=[[ROOMY, ROOMY]])
    least = cost(costs, tmp_path, budgets=[[Budget(1 << 20, 1 << 20, cycles=1)] * 2])
    hopeless = replace(ROOMY, **{limited: int(np.median(getattr(least, limited)))})
    found = cost(costs, tmp_path, budgets=[[hopeless, hopeless]])
    bounded = found.arena_bytes == 0
    assert bounded.any() and not bounded.all()
    assert np.array_equal(found.macs, plain.macs)
    assert (found.cycles <= plain.cycles).all() and (found.cycles[bounded] > 0.8 * plain.cycles[bounded]).all()
    assert (found.flash_bytes <= plain.flash_bytes).all()
    assert fitting(found, [hopeless, hopeless]) == fitting(plain, [hopeless, hopeless])
    both = cost(costs, tmp_path, budgets=[[hopeless, hopeless], [ROOMY, ROOMY]])
    assert equal(both, plain)  # one board for which it may fit is enough


def test_a_costing_process_that_dies_is_an_error_and_what_is_finished_is_kept(
    costs: Costs, table: CostTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    monkeypatch.setattr(space_choice, "CHUNK", 1)
    calls = []

    def kill(what: str, done: int, total: int) -> None:
        calls.append(done)
        if len(calls) == 1:
            for process in list(get_reusable_executor(reuse=True)._processes):
                os.kill(process, signal.SIGKILL)

    with pytest.raises(ProjectError, match="a process that costs networks has died") as caught:
        cost(costs, tmp_path, workers=2, progress=kill)
    assert "finished parts are kept" in caught.value.hint
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.glob("[!.]*.npz")}
    assert calls and len(kept) >= len(calls)
    assert equal(cost(costs, tmp_path, workers=2), table)
    assert all(path.stat().st_mtime_ns == time for path, time in kept.items())


_INTERRUPTED = """
import sys
from pathlib import Path
from tests.unit import test_space_choice as here
here.space_choice.CHUNK = 1
costs = here.Costs(here.SPACE, 4, here.load_board("nrf52840").isa)
def progress(what, done, total):
    print(done, flush=True)
try:
    here.cost_spaces(costs, 100_000, seed=3, budgets=[[here.TIGHT] * 2], folder=Path(sys.argv[1]), workers=2,
                     progress=progress)
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


def test_ctrl_c_is_no_dead_process(tmp_path: Path) -> None:
    """The terminal sends SIGINT to workers, too, which end by it."""
    run = started([sys.executable, "-c", _INTERRUPTED, str(tmp_path)], text=True, stdout=subprocess.PIPE,
                  stderr=subprocess.PIPE, cwd=Path(__file__).parents[2])  # fmt: skip
    try:
        for line in run.stdout:
            if line == "9\n":
                break
        os.killpg(run.pid, signal.SIGINT)
        out, _ = run.communicate(timeout=60)
    finally:
        if run.poll() is None:
            os.killpg(run.pid, signal.SIGKILL)
            run.communicate()
    assert out.splitlines()[-1] == "interrupted"
    assert len(list(tmp_path.glob("[!.]*.npz"))) >= 9


def test_fitting_networks_are_those_within_all_limits_of_their_geometry() -> None:
    numbers = np.arange(8).reshape(4, 2)
    table = CostTable(SPACE.spaces, 100 - numbers, numbers, numbers, numbers)
    results = fitting(table, [Budget(0, 9), Budget(7, 9, cycles=6)])
    assert [r.macs for r in results] == [(100,), (), (95, 96), (94,)]
    assert [r.sampled for r in results] == [2] * 4
    assert [r.macs for r in fitting(table, [Budget(9, 1), Budget(9, 4)])] == [(99, 100), (), (96,), ()]


def result(space: int, sampled: int, macs: list[int]) -> SpaceResult:
    return SpaceResult((0, space), sampled, tuple(macs))


def test_the_highest_mean_is_chosen() -> None:
    results = [result(0, 100, [10] * 50), result(1, 100, [30] * 20), result(2, 100, [20] * 99), result(3, 100, [])]
    assert choose(results, 2) == ((0, 1), (0, 2))
    assert choose(results, 9) == ((0, 1), (0, 2), (0, 0))


def test_few_lucky_networks_do_not_make_a_space() -> None:
    results = [result(0, 1000, [9000]), result(1, 1000, [10] * 50), result(2, 1000, [8000] * 49)]
    assert choose(results, 3) == ((0, 1), (0, 2), (0, 0))
    assert choose([result(0, 20, [90] * 4), result(1, 20, [10] * 5)], 1) == ((0, 1),)
    assert choose([result(0, 3, [9, 9, 9]), result(1, 3, [10, 10])], 1) == ((0, 0),)


def test_ties_go_to_more_fitting_networks_then_to_the_first() -> None:
    results = [result(0, 50, [10] * 20), result(1, 50, [10] * 30), result(2, 50, [10] * 30)]
    assert choose(results, 3) == ((0, 1), (0, 2), (0, 0))


def test_nothing_that_fits_is_an_error() -> None:
    with pytest.raises(ProjectError, match="none of 200 networks"):
        choose([result(0, 100, []), result(1, 100, [])], 2)
