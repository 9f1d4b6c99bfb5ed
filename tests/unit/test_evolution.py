"""Evolution and random search on accuracies and costs by formula: what fits, what is repeated, what a kill leaves."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.search_toy import BUDGETS, ROOMY, SPACE, TINY, Landscape, cost, tiny_cost

from tinyml.errors import OverBudgetError, ProjectError
from tinyml.nas.budget import Budget
from tinyml.nas.candidates import Candidates, smaller
from tinyml.nas.evolution import evolve
from tinyml.nas.pareto import hypervolume, points_of
from tinyml.nas.random_search import random_search
from tinyml.nas.record import Evaluated
from tinyml.nas.space import Genome, extreme, sample

SEARCHES = pytest.mark.parametrize("search", [evolve, random_search])
Search = Callable[..., tuple[Evaluated, ...]]


def run(search: Search, state: Path, *, evaluate: Any = None, number: int = 0, roughness: float = 1.0, **changes: Any):
    """A search of `SPACE`: 60 evaluations, unless `changes` say otherwise."""
    landscape = Landscape(number, roughness)
    settings: dict[str, Any] = {"population": 12, "evaluations": 60, "seed": 3, "within": None, "batch": 5}
    return search(SPACE, cost, BUDGETS, evaluate or (lambda genomes: [landscape(g) for g in genomes]),
                  state=state, **(settings | changes))  # fmt: skip


class Killed(BaseException):
    """In place of a signal."""


def killed_after(batches: int) -> Callable[[list[Genome]], list[float]]:
    """An evaluation that is killed in the middle of the batch after that many."""
    done = 0

    def evaluate(genomes: list[Genome]) -> list[float]:
        nonlocal done
        if done == batches:
            raise Killed
        done += 1
        return [Landscape()(g) for g in genomes]

    return evaluate


@SEARCHES
def test_everything_fits_and_nothing_is_evaluated_twice(tmp_path: Path, search: Search) -> None:
    asked: list[Genome] = []

    def evaluate(genomes: list[Genome]) -> list[float]:
        asked.extend(genomes)
        return [Landscape()(g) for g in genomes]

    found = run(search, tmp_path / "state.json", evaluate=evaluate)
    assert [e.genome for e in found] == asked
    assert len(set(asked)) == len(asked) == 60
    assert all(BUDGETS[e.genome.geometry].fits(e.cost) and e.cost == cost(e.genome) for e in found)
    assert [e.generation for e in found] == [g for g in range(5) for _ in range(12)]
    assert [e.accuracy for e in found] == [Landscape()(g) for g in asked]


@SEARCHES
def test_the_seed_alone_decides(tmp_path: Path, search: Search) -> None:
    first = run(search, tmp_path / "a.json")
    assert run(search, tmp_path / "b.json", batch=100) == first
    assert run(search, tmp_path / "c.json", seed=4) != first


@SEARCHES
def test_within_is_kept_to(tmp_path: Path, search: Search) -> None:
    found = run(search, tmp_path / "state.json", within=((0, 1), (1, 0)))
    assert {e.genome.space for e in found} == {(0, 1), (1, 0)}


@pytest.mark.parametrize("roughness", [0.2, 1.0])
def test_evolution_beats_random_search_in_every_seed(tmp_path: Path, roughness: float) -> None:
    """Hypervolume of accuracy above 0.3 and cycles below the budget; 300 evaluations; another landscape per seed."""
    for seed in range(5):
        areas, best = [], []
        for search in (evolve, random_search):
            state = tmp_path / f"{search.__name__}-{seed}.json"
            found = run(search, state, number=seed, seed=seed, roughness=roughness,
                        population=20, evaluations=300, batch=100)  # fmt: skip
            areas.append(hypervolume(points_of(found)[:, [0, 3]], (0.3, 9_000_000)))
            best.append(max(e.accuracy for e in found))
        assert areas[0] > areas[1]
        assert roughness < 1 or best[0] > best[1]


# ---- resuming --------------------------------------------------------------------------------------------------------


@SEARCHES
@pytest.mark.parametrize("batches", [0, 1, 3, 4, 11])
def test_a_killed_search_ends_as_an_uninterrupted_one(tmp_path: Path, search: Search, batches: int) -> None:
    whole = run(search, tmp_path / "whole.json")
    state = tmp_path / "state.json"
    with pytest.raises(Killed):
        run(search, state, evaluate=killed_after(batches))
    asked: list[Genome] = []

    def evaluate(genomes: list[Genome]) -> list[float]:
        asked.extend(genomes)
        return [Landscape()(g) for g in genomes]

    assert run(search, state, evaluate=evaluate) == whole
    kept = len(whole) - len(asked)
    assert [e.genome for e in whole[kept:]] == asked  # exactly the batches before the kill are not repeated
    assert kept == [0, 5, 12, 17, 46][[0, 1, 3, 4, 11].index(batches)]
    assert run(search, state, evaluate=lambda genomes: pytest.fail("evaluated again")) == whole


@SEARCHES
def test_more_evaluations_later_go_on_from_the_same_state(tmp_path: Path, search: Search) -> None:
    whole = run(search, tmp_path / "whole.json")
    state = tmp_path / "state.json"
    assert run(search, state, evaluations=31) == whole[:31]
    assert run(search, state) == whole
    assert run(search, state, evaluations=20) == whole[:20]


def test_a_search_survives_sigkill(tmp_path: Path, repository: Path) -> None:
    """The process dies within an evaluation, twice, and is started again."""
    whole = run(evolve, tmp_path / "whole.json")
    state = tmp_path / "state.json"
    script = textwrap.dedent("""
        import os, signal, sys
        from pathlib import Path
        from tests.search_toy import BUDGETS, SPACE, Landscape, cost
        from tinyml.nas.evolution import evolve
        left = int(sys.argv[2])
        def evaluate(genomes):
            global left
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return [Landscape()(g) for g in genomes]
        evolve(SPACE, cost, BUDGETS, evaluate, population=12, evaluations=60, seed=3, within=None, batch=5,
               state=Path(sys.argv[1]))
    """)
    for batches, kept in ((4, 17), (3, 29)):
        done = subprocess.run([sys.executable, "-c", script, str(state), str(batches)], cwd=repository, check=False)
        assert done.returncode == -9
        assert len(json.loads(state.read_bytes())["evaluated"]) == kept
    assert run(evolve, state) == whole


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"format": 1, "key": "x", "evaluated": [{}]}', b"\xff\x00"])
def test_a_damaged_state_is_refused_with_the_way_out(tmp_path: Path, content: bytes) -> None:
    state = tmp_path / "state.json"
    state.write_bytes(content)
    with pytest.raises(ProjectError, match="damaged") as caught:
        run(evolve, state)
    assert "tinyml search --restart" in (caught.value.hint or "")
    assert state.read_bytes() == content


@pytest.mark.parametrize("change", [{"seed": 4}, {"population": 6}, {"within": ((0, 0),)}, {"identity": "weights"}])
def test_the_state_of_another_search_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    state = tmp_path / "state.json"
    run(evolve, state, evaluations=12)
    before = state.read_bytes()
    for search, changes in ((evolve, change), (random_search, {})):
        with pytest.raises(ProjectError, match="another search") as caught:
            run(search, state, **changes)
        assert "tinyml search --restart" in (caught.value.hint or "")
    assert state.read_bytes() == before


def test_a_full_disk_is_said_and_costs_nothing_that_was_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = run(evolve, tmp_path / "whole.json")
    state = tmp_path / "state.json"
    run(evolve, state, evaluations=12)
    before = state.read_bytes()

    def full(path: Path, data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched, pytest.raises(ProjectError, match="the disk is full") as caught:
        patched.setattr(Path, "write_bytes", full)
        run(evolve, state)
    assert "it goes on from here" in (caught.value.hint or "")
    assert state.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["state.json", "whole.json"]
    assert run(evolve, state) == whole


# ---- budgets ---------------------------------------------------------------------------------------------------------


def test_tight_budgets_are_met_by_making_networks_smaller(tmp_path: Path) -> None:
    """Fewer than one network in a thousand fits."""
    smallest = cost(extreme(SPACE, largest=False, geometry=0, width=0))
    tight = Budget(int(smallest.arena_bytes * 1.1), int(smallest.flash_bytes * 1.2), int(smallest.cycles * 1.6))
    rng = np.random.default_rng(0)
    assert sum(tight.fits(cost(sample(SPACE, rng))) for _ in range(1000)) <= 1
    for search in (evolve, random_search):
        found = search(SPACE, cost, (tight, tight), lambda genomes: [0.5] * len(genomes), population=5, evaluations=10,
                       seed=0, within=None, state=tmp_path / f"{search.__name__}.json")  # fmt: skip
        assert len({e.genome for e in found}) == 10
        assert all(tight.fits(e.cost) for e in found)


@SEARCHES
@pytest.mark.parametrize(("ram", "flash", "cycles", "short"), [
    (1000, 10**9, None, "RAM bytes"), (10**9, 9000, None, "flash bytes"), (10**9, 10**9, 50, "cycles"),
])  # fmt: skip
def test_budgets_that_nothing_meets(
    tmp_path: Path, search: Search, ram: int, flash: int, cycles: int | None, short: str
) -> None:
    with pytest.raises(OverBudgetError, match="no network of the space `toy` fits") as caught:
        search(SPACE, cost, (Budget(ram, flash, cycles),) * 2, lambda genomes: pytest.fail("evaluated"), population=5,
               evaluations=10, seed=0, within=None, state=tmp_path / "state.json")  # fmt: skip
    needs = cost(extreme(SPACE, largest=False, geometry=0, width=0))
    need, limit = {"RAM bytes": (needs.arena_bytes, ram), "flash bytes": (needs.flash_bytes, flash),
                   "cycles": (needs.cycles, cycles)}[short]  # fmt: skip
    assert f"{short}: it needs {need:,}, the budget is {limit:,}" in caught.value.details
    assert "32x32x3, width 0.5" in caught.value.message
    assert len(caught.value.details) == (2 if cycles is None else 3)


@SEARCHES
def test_a_space_that_is_exhausted_ends_the_search_and_says_so(tmp_path: Path, search: Search) -> None:
    said: list[str] = []
    found = search(TINY, tiny_cost, ROOMY[:1], lambda genomes: [0.5] * len(genomes), population=10, evaluations=500,
                   seed=0, within=None, state=tmp_path / "state.json",
                   progress=lambda what, done, total: said.append(f"{what} {done}/{total}"))  # fmt: skip
    assert len(found) == len({e.genome for e in found}) == 24
    assert said[-1].endswith("no other network fits 24/24")


def test_an_accuracy_that_is_no_number_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="accuracy of a candidate is nan"):
        run(evolve, tmp_path / "state.json", evaluate=lambda genomes: [float("nan")] * len(genomes))


def test_smaller_choices_end_at_the_smallest_network() -> None:
    rng = np.random.default_rng(1)
    for space, price in ((SPACE, cost), (TINY, tiny_cost)):
        genome = sample(space, rng)
        while options := smaller(space, genome, space.spaces):
            assert all(price(o).macs < price(genome).macs for o in options)
            genome = options[rng.integers(len(options))]
        assert genome == extreme(space, largest=False, geometry=genome.geometry, width=0)


def test_spaces_whose_smallest_network_does_not_fit_are_left_out() -> None:
    fits = {s: BUDGETS[s[0]].fits(cost(extreme(SPACE, largest=False, geometry=s[0], width=s[1]))) for s in SPACE.spaces}
    assert list(fits.values()) == [True, True, True, True, True, False]
    assert Candidates(SPACE, cost, BUDGETS).within == SPACE.spaces[:-1]
