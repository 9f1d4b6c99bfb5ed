"""The search, in one file: spaces compared -> supernet trained -> evolution -> the chosen network with its weights.

    work/spaces/        stage 1's table, in chunks           work/supernet/  checkpoint, then supernet.pt
    work/examples/      windows per geometry for the fitness work/evolution.json, random.json  candidates so far
    work/finalists/     the best of them, trained on         work/record.json, chosen.pt  what was found, its weights

Every part continues where it was stopped; the result depends on the task alone, not on interruptions or workers.
"""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from tinyml.architecture import Geometry
from tinyml.board import Isa
from tinyml.data import FeatureSet
from tinyml.errors import Announce, Progress, no_announcement, no_progress
from tinyml.ir.tensor import QuantParams
from tinyml.nas.budget import Budget
from tinyml.nas.costing import Costs
from tinyml.nas.evaluation import Evaluator
from tinyml.nas.evolution import evolve
from tinyml.nas.finalists import FineTuned, finalists
from tinyml.nas.fitness import Fitness
from tinyml.nas.pareto import front, points_of
from tinyml.nas.random_search import random_search
from tinyml.nas.recalibrate import spread
from tinyml.nas.record import Counts, Evaluated, SearchRecord
from tinyml.nas.search_state import SearchState, state_key
from tinyml.nas.space import SearchSpace, Space
from tinyml.nas.space_choice import choose, cost_spaces, fitting
from tinyml.nas.supernet_training import WEIGHTS, SupernetConfig, train_supernet
from tinyml.storage import writing

RECORD, CHOSEN = "record.json", "chosen.pt"
CPU_WATTS = 15.0
"""Assumed draw of a busy core of a laptop or server with its share of memory and supply; for the energy estimate."""


@dataclass(frozen=True)
class SearchTask:
    """What to search for and with what. `examples` gives training and fitness windows of a geometry, the same clips in
    the same order for each; `budgets` are per geometry of `space`; `workers` (None: one per core) and `backend` decide
    how fast the result comes, not what it is."""

    space: SearchSpace
    classes: int
    isa: Isa
    budgets: tuple[Budget, ...]
    board: str
    counts: Counts
    seed: int
    work: Path
    examples: Callable[[Geometry], tuple[FeatureSet, FeatureSet]]
    input_quant: QuantParams
    backend: str = "processes"
    workers: int | None = None
    ray_address: str | None = None
    kept_spaces: int = 4
    watts: float = CPU_WATTS
    supernet: SupernetConfig = field(default_factory=SupernetConfig)


def search(
    task: SearchTask, *, progress: Progress = no_progress, announce: Announce = no_announcement
) -> SearchRecord:
    """Run what is not done yet; returns the record, which also lies in `task.work`.

    Raises: OverBudgetError when no network of the space meets the budgets, ProjectError for damaged files of an
    earlier run (whoever starts over removes `task.work`) or a full disk.
    """
    return _Run(task, progress, announce).whole()


class _Run:
    """The stages of one task; each extends the record and saves it."""

    def __init__(self, task: SearchTask, progress: Progress, announce: Announce) -> None:
        self.task, self.progress, self.announce = task, progress, announce
        self.costs = Costs(task.space, task.classes, task.isa)
        path = task.work / RECORD
        self.record = SearchRecord.load(path) if path.is_file() else SearchRecord(
            task.board, task.seed, task.classes, task.counts, task.space, task.budgets, watts=task.watts)  # fmt: skip

    def whole(self) -> SearchRecord:
        if not self.record.chosen_spaces:
            self._compare_spaces()
        if not self.record.losses:
            self._train()
        if not self.record.evaluations:
            self._evolve()
        if self.record.chosen is None:
            self._choose()
        return self.record

    @property
    def within(self) -> tuple[Space, ...]:
        return self.record.chosen_spaces

    @contextmanager
    def _stage(self, name: str, detail: str) -> Iterator[None]:
        """Announce a stage and add its seconds to the record."""
        self.announce(name, detail)
        started = time.monotonic()
        yield
        seconds = dict(self.record.seconds or {})
        seconds[name] = seconds.get(name, 0.0) + time.monotonic() - started
        self._save(seconds=seconds)

    def _save(self, **found: object) -> None:
        self.record = replace(self.record, **found)
        self.record.save(self.task.work / RECORD)

    def _compare_spaces(self) -> None:
        task = self.task
        count = task.counts.samples_per_space
        with self._stage("spaces", f"{len(task.space.spaces)} spaces, {count} networks of each"):
            table = cost_spaces(self.costs, count, seed=task.seed, budgets=[task.budgets], folder=task.work / "spaces",
                                workers=task.workers, progress=self.progress)  # fmt: skip
            results = fitting(table, task.budgets)
            self.record = replace(self.record, spaces=results, chosen_spaces=choose(results, task.kept_spaces))

    def _train(self) -> None:
        task = self.task
        geometries = sorted({geometry for geometry, _ in self.within})
        train = {}
        for geometry in geometries:
            train[geometry], fitness = task.examples(task.space.geometries[geometry])
            self._keep_examples(geometry, train[geometry], fitness)
        with self._stage("supernet", f"{len(self.within)} spaces in {len(geometries)} geometries"):
            losses = train_supernet(
                task.space, task.classes, self.within, train, counts=task.counts, seed=task.seed,
                input_quant=task.input_quant, checkpoint_dir=task.work / "supernet", config=task.supernet,
                progress=self.progress,
            )  # fmt: skip
            self.record = replace(self.record, losses=tuple(losses))

    def _keep_examples(self, geometry: int, train: FeatureSet, fitness: FeatureSet) -> None:
        train.save(self.fine_tuned.train[geometry])
        calibration_part(train).save(self.fitness.calibration[geometry])
        fitness.save(self.fitness.examples[geometry])

    @property
    def fitness(self) -> Fitness:
        """Accuracy of a candidate with the supernet's weights, on the fitness examples."""
        task, folder = self.task, self.task.work / "examples"
        geometries = sorted({geometry for geometry, _ in self.within})
        return Fitness(
            task.space, task.classes, self.within, task.input_quant, task.work / "supernet" / WEIGHTS,
            {g: folder / f"calibration-{g}.npz" for g in geometries},
            {g: folder / f"fitness-{g}.npz" for g in geometries},
        )  # fmt: skip

    def _evolve(self) -> None:
        task, counts = self.task, self.task.counts
        options = dict(population=counts.population, seed=task.seed, within=self.within, identity=self._identity(),
                       progress=self.progress)  # fmt: skip
        with Evaluator(self.fitness, backend=task.backend, workers=task.workers, ray_address=task.ray_address) as rate:
            with self._stage("evolution", f"{counts.evaluations} candidates"):
                found = evolve(task.space, self.costs.cost, task.budgets, rate, evaluations=counts.evaluations,
                               state=task.work / "evolution.json", batch=2 * rate.at_once, **options)  # fmt: skip
            if counts.random_evaluations:
                with self._stage("random", f"{counts.random_evaluations} candidates, to compare with"):
                    drawn = random_search(task.space, self.costs.cost, task.budgets, rate,
                                          evaluations=counts.random_evaluations, state=task.work / "random.json",
                                          batch=2 * rate.at_once, **options)  # fmt: skip
                    self.record = replace(self.record, random=drawn)
        self._save(evaluations=found, pareto=front(points_of(found)))

    @property
    def fine_tuned(self) -> FineTuned:
        """Accuracy of a candidate that was trained on by itself."""
        task, counts = self.task, self.task.counts
        train = {g: task.work / "examples" / f"train-{g}.npz" for g in self.fitness.examples}
        return FineTuned(self.fitness, train, task.work / "finalists", counts.finalist_steps, task.seed)

    def _choose(self) -> None:
        """Train the best candidates on, and take the most accurate then, with the weights that it has then."""
        task, counts, found = self.task, self.task.counts, self.record.evaluations
        tried = finalists(found, counts.finalists)
        key = state_key("finalists", self._identity(), task.seed, counts.finalist_steps)
        kept = SearchState(task.work / "finalists.json", key)
        evaluator = Evaluator(self.fine_tuned, backend=task.backend, workers=task.workers,
                              ray_address=task.ray_address)  # fmt: skip
        detail = f"{len(tried)} candidates, {counts.finalist_steps} steps each"
        with self._stage("finalists", detail), evaluator as rate:
            kept.evaluate([(e.genome, e.cost) for e in tried], 0, rate, batch=rate.at_once,
                          total=len(tried), progress=self.progress, what="finalists")  # fmt: skip
        trained = tuple(kept.evaluated)
        genome = trained[best(trained)].genome
        with writing(task.work / CHOSEN) as temporary:
            shutil.copyfile(self.fine_tuned.weights_path(genome), temporary)
        self._save(finalists=trained, chosen=[e.genome for e in found].index(genome))

    def _identity(self) -> str:
        """Which weights and examples the accuracies belong to."""
        fitness, digest = self.fitness, hashlib.sha256()
        for path in (fitness.weights, *fitness.calibration.values(), *fitness.examples.values()):
            digest.update(hashlib.sha256(path.read_bytes()).digest())
        return digest.hexdigest()


def calibration_part(examples: FeatureSet) -> FeatureSet:
    """What batch norms are recalibrated on."""
    chosen = spread(len(examples))
    return FeatureSet(examples.x[chosen], examples.y[chosen], examples.clip[chosen], examples.labels)


def best(found: tuple[Evaluated, ...]) -> int:
    """The most accurate of the candidates; of equals the one with the fewest cycles."""
    return max(range(len(found)), key=lambda i: (found[i].accuracy, -found[i].cost.cycles))
