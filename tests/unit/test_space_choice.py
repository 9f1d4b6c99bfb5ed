"""Stage 1: a table that depends on nothing but the question, and spaces chosen from it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

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
    slow = Budget(TIGHT.ram_bytes, TIGHT.flash_bytes, cycles=1)
    assert equal(cost(costs, tmp_path, budgets=[[slow, slow]]), plain)


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
