"""A whole search on a tiny space: its record, its weights, and that stopping it anywhere changes nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.tiny_spaces import AUDIO, QUANT, SPECTROGRAMS, examples

from tinyml.board import load_isa
from tinyml.errors import ProjectError
from tinyml.models import build_architecture
from tinyml.nas.budget import Budget
from tinyml.nas.calibration import Speeds, counts_for, measure
from tinyml.nas.costing import Costs
from tinyml.nas.pareto import front, points_of
from tinyml.nas.record import Counts, SearchRecord
from tinyml.nas.search import CHOSEN, RECORD, SearchTask, search
from tinyml.nas.space import architecture
from tinyml.nas.supernet_training import SupernetConfig
from tinyml.train.metrics import evaluate

CLASSES = 3
COUNTS = Counts(samples_per_space=6, largest_steps=6, supernet_steps=8, population=4, evaluations=10,
                random_evaluations=5, finalists=3, finalist_steps=4)  # fmt: skip
BUDGETS = (Budget(1400, 20_000, 200_000), Budget(1400, 20_000, 200_000))


def task(work: Path, **changes: object) -> SearchTask:
    train, fitness = examples(SPECTROGRAMS, 96, 0), examples(SPECTROGRAMS, 48, 1)
    made = SearchTask(
        SPECTROGRAMS, CLASSES, load_isa("cortex-m4"), BUDGETS, "nrf52840", COUNTS, 0, work,
        lambda geometry: (train[AUDIO.index(geometry)], fitness[AUDIO.index(geometry)]), QUANT, backend="inline",
        workers=1, kept_spaces=3, supernet=SupernetConfig(batch_size=16),
    )  # fmt: skip
    return replace(made, **changes)


def found(record: SearchRecord) -> SearchRecord:
    """Without what the clock says."""
    return replace(record, seconds=None)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[SearchRecord, Path]:
    work = tmp_path_factory.mktemp("search")
    return search(task(work)), work


def test_the_record_tells_what_was_done(whole: tuple[SearchRecord, Path]) -> None:
    record, work = whole
    assert SearchRecord.load(work / RECORD) == record
    assert len(record.spaces) == 4 and len(record.chosen_spaces) == 3
    assert len(record.losses) == COUNTS.largest_steps + COUNTS.supernet_steps
    assert len({e.genome for e in record.evaluations}) == COUNTS.evaluations
    assert len(record.random) == COUNTS.random_evaluations
    assert all(BUDGETS[e.genome.geometry].fits(e.cost) for e in record.evaluations)
    assert all(e.genome.space in record.chosen_spaces for e in (*record.evaluations, *record.random))
    assert record.pareto == front(points_of(record.evaluations))
    best = sorted((e.accuracy for e in record.evaluations), reverse=True)[: COUNTS.finalists]
    again = {e.genome: e.accuracy for e in record.evaluations}
    assert sorted((again[e.genome] for e in record.finalists), reverse=True) == best
    chosen = record.evaluations[record.chosen].genome
    most = max(record.finalists, key=lambda e: (e.accuracy, -e.cost.cycles))
    assert chosen == most.genome
    assert set(record.seconds) == {"spaces", "supernet", "evolution", "random", "finalists"}


def test_the_chosen_weights_reach_the_accuracy_of_the_record(whole: tuple[SearchRecord, Path]) -> None:
    record, work = whole
    chosen = max(record.finalists, key=lambda e: (e.accuracy, -e.cost.cycles))
    module = build_architecture(architecture(SPECTROGRAMS, chosen.genome, CLASSES))
    module.load_state_dict(torch.load(work / CHOSEN, weights_only=True))
    _, fitness = task(work).examples(AUDIO[chosen.genome.geometry])
    assert evaluate(module, fitness, input_quant=QUANT).accuracy == chosen.accuracy


class Killed(Exception):
    pass


@pytest.mark.parametrize("steps", [1, 3, 8, 17, 22, 27, 29])
def test_a_search_that_was_stopped_ends_as_one_that_was_not(
    steps: int, whole: tuple[SearchRecord, Path], tmp_path: Path
) -> None:
    left = [steps]

    def killing(what: str, done: int, total: int) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise Killed

    with pytest.raises(Killed):
        search(task(tmp_path), progress=killing)
    assert found(search(task(tmp_path))) == found(whole[0])
    assert (tmp_path / CHOSEN).read_bytes() == (whole[1] / CHOSEN).read_bytes()


def test_a_finished_search_is_not_run_again(whole: tuple[SearchRecord, Path]) -> None:
    def never(*_: object) -> None:
        raise AssertionError("something was done")

    record, work = whole
    assert search(task(work), progress=never, announce=never) == record


def test_another_seed_finds_others(whole: tuple[SearchRecord, Path], tmp_path: Path) -> None:
    record = search(task(tmp_path, seed=1))
    assert [e.genome for e in record.evaluations] != [e.genome for e in whole[0].evaluations]


def test_processes_find_the_same(whole: tuple[SearchRecord, Path], tmp_path: Path) -> None:
    record = search(task(tmp_path, backend="processes", workers=2))
    assert found(record) == found(whole[0])


def test_a_damaged_record_is_named_and_restart_starts_over(whole: tuple[SearchRecord, Path], tmp_path: Path) -> None:
    (tmp_path / RECORD).write_text("{")
    with pytest.raises(ProjectError, match="not the record of a search") as error:
        search(task(tmp_path))
    assert "--restart" in error.value.hint
    (tmp_path / RECORD).unlink()
    assert found(search(task(tmp_path))) == found(whole[0])


def test_counts_fill_the_budget_and_grow_with_it() -> None:
    speeds = Speeds(network_s=0.004, supernet_step_s=0.3, finetune_step_s=0.15, evaluation_s=0.5)
    short, long = (counts_for(60 * minutes, speeds, 108, workers=2) for minutes in (20, 60))
    spent = (short.samples_per_space * 108 * 0.004 / 2 + (short.largest_steps + short.supernet_steps) * 0.3
             + (short.evaluations + short.random_evaluations) * 0.5 / 2
             + short.finalists * short.finalist_steps * 0.15 / 2)  # fmt: skip
    assert 0.8 * 1200 < spent < 0.95 * 1200
    assert long.supernet_steps > 2 * short.supernet_steps and long.evaluations > 2 * short.evaluations
    with pytest.raises(ProjectError, match="too short") as error:
        counts_for(10, speeds, 108, workers=2)
    least = int(error.value.hint.split("--budget ")[1].split("m")[0])
    counts_for(60 * least, speeds, 108, workers=2)
    with pytest.raises(ProjectError, match="too short"):
        counts_for(60 * (least - 1), speeds, 108, workers=2)


def test_speeds_are_measured_on_networks_that_fit() -> None:
    costs = Costs(SPECTROGRAMS, CLASSES, load_isa("cortex-m4"))
    speeds = measure(SPECTROGRAMS, CLASSES, costs, BUDGETS, fitness_windows=100, seed=0)
    assert all(np.isfinite(s) and s > 0 for s in vars(speeds).values())
    assert speeds.supernet_step_s > speeds.finetune_step_s
