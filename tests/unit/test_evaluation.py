"""Evaluating candidates: the same answers wherever, workers that die, evaluations that fail."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from joblib.externals.loky import get_reusable_executor
from tests.search_toy import SPACE, Deadly, Failing, Landscape, evaluate_all

from tinyml.errors import MissingToolError, ProjectError
from tinyml.nas.evaluation import Evaluator
from tinyml.nas.space import Genome, sample


@pytest.fixture(scope="module")
def genomes() -> list[Genome]:
    rng = np.random.default_rng(0)
    return [sample(SPACE, rng) for _ in range(12)]


@pytest.fixture(scope="module")
def expected(genomes: list[Genome]) -> list[float]:
    return [Landscape()(genome) for genome in genomes]


@pytest.mark.parametrize("workers", [1, 2])
def test_processes_find_what_one_process_finds(genomes: list[Genome], expected: list[float], workers: int) -> None:
    seen: list[tuple[int, int]] = []
    assert evaluate_all(Landscape(), genomes, backend="inline") == expected
    found = evaluate_all(Landscape(), genomes, workers=workers, progress=lambda _, *count: seen.append(count))
    assert found == expected
    assert seen == [(done, 12) for done in range(1, 13)]
    assert evaluate_all(Landscape(), [], workers=2) == []


def test_one_evaluator_serves_many_lists(genomes: list[Genome], expected: list[float]) -> None:
    with Evaluator(Landscape(), workers=2) as evaluate:
        assert evaluate(genomes[:5]) + evaluate(genomes[5:]) == expected
        workers = get_reusable_executor(reuse=True)._processes
        assert len(workers) == 2
    assert not workers


@pytest.mark.parametrize(("workers", "times"), [(1, 1), (2, 3)])
def test_what_a_dead_worker_had_is_evaluated_again(
    tmp_path: Path, genomes: list[Genome], expected: list[float], workers: int, times: int
) -> None:
    """Three deaths: in both attempts together and in the first alone; the second alone succeeds."""
    assert evaluate_all(Deadly(genomes[5], tmp_path, times), genomes, workers=workers) == expected
    assert len(list(tmp_path.iterdir())) == times


def test_a_candidate_that_kills_every_worker_is_named(tmp_path: Path, genomes: list[Genome]) -> None:
    with pytest.raises(ProjectError, match="kills the process that evaluates it") as caught:
        evaluate_all(Deadly(genomes[3], tmp_path, 99), genomes, workers=2)
    assert caught.value.details == (str(genomes[3]),)
    assert "inline" in (caught.value.hint or "")
    assert len(list(tmp_path.iterdir())) == 4


@pytest.mark.parametrize("backend", ["inline", "processes"])
def test_an_exception_comes_through_as_it_is(genomes: list[Genome], backend: str) -> None:
    with pytest.raises(FloatingPointError, match="no such accuracy"):
        evaluate_all(Failing(genomes[7]), genomes, backend=backend, workers=2)


def test_a_backend_that_does_not_exist(genomes: list[Genome]) -> None:
    with pytest.raises(ProjectError, match="no backend `threads`") as caught:
        evaluate_all(Landscape(), genomes, backend="threads")
    assert "processes, ray, inline" in (caught.value.hint or "")


def test_ray_is_an_extra(genomes: list[Genome], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "tinyml.nas.ray_cluster", raising=False)
    with pytest.raises(MissingToolError) as caught:
        evaluate_all(Landscape(), genomes, backend="ray")
    assert caught.value.hint == 'run `pip install "tinyml[ray]"`'
