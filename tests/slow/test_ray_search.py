"""A search over a Ray cluster of two nodes: the same as in one process, also when workers die."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

ray = pytest.importorskip("ray")

from ray.cluster_utils import Cluster  # noqa: E402
from tests.search_toy import BUDGETS, SPACE, Deadly, Failing, Landscape, cost, evaluate_all  # noqa: E402

from tinyml.errors import ProjectError  # noqa: E402
from tinyml.nas.evaluation import Evaluator, Fitness  # noqa: E402
from tinyml.nas.evolution import evolve  # noqa: E402
from tinyml.nas.record import Evaluated  # noqa: E402

# Ray leaves files and processes of its own to be closed by the interpreter.
pytestmark = [pytest.mark.timeout(600), pytest.mark.filterwarnings("ignore::ResourceWarning"),
              pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")]  # fmt: skip


@pytest.fixture(scope="module")
def address(repository: Path) -> Iterator[str]:
    """A cluster of two nodes on this machine, one worker each."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PYTHONPATH", str(repository))
        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
        cluster.add_node(num_cpus=1)
        yield cluster.address
        cluster.shutdown()


def search(fitness: Fitness, state: Path, backend: str, address: str | None = None) -> tuple[Evaluated, ...]:
    with Evaluator(fitness, backend=backend, workers=2, ray_address=address) as evaluate:
        return evolve(SPACE, cost, BUDGETS, evaluate, population=8, evaluations=24, seed=1, within=None, state=state)


def test_a_cluster_finds_what_one_process_finds(tmp_path: Path, address: str) -> None:
    expected = search(Landscape(), tmp_path / "inline.json", "inline")
    assert search(Landscape(), tmp_path / "ray.json", "ray", address) == expected


def test_a_worker_of_the_cluster_dies(tmp_path: Path, address: str) -> None:
    """Once, and as often as it can while its candidate is still found in the end."""
    expected = search(Landscape(), tmp_path / "inline.json", "inline")
    for times in (1, 3):
        deaths = tmp_path / f"deaths{times}"
        deaths.mkdir()
        fitness = Deadly(expected[10].genome, deaths, times)
        assert search(fitness, tmp_path / f"ray{times}.json", "ray", address) == expected
        assert len(list(deaths.iterdir())) == times


def test_a_candidate_that_kills_every_worker_is_named(tmp_path: Path, address: str) -> None:
    genomes = [e.genome for e in search(Landscape(), tmp_path / "inline.json", "inline")]
    with pytest.raises(ProjectError, match="kills the process that evaluates it") as caught:
        evaluate_all(Deadly(genomes[2], tmp_path, 99), genomes[:4], backend="ray", ray_address=address)
    assert caught.value.details == (str(genomes[2]),)


def test_an_exception_comes_through_as_it_is(tmp_path: Path, address: str) -> None:
    genomes = [e.genome for e in search(Landscape(), tmp_path / "inline.json", "inline")]
    with pytest.raises(FloatingPointError, match="no such accuracy"):
        evaluate_all(Failing(genomes[2]), genomes[:4], backend="ray", ray_address=address)


def test_no_cluster_at_the_address(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match=r"no Ray cluster at `127\.0\.0\.1:1`") as caught:
        evaluate_all(Landscape(), [], backend="ray", ray_address="127.0.0.1:1")
    assert "ray start --head" in (caught.value.hint or "")
