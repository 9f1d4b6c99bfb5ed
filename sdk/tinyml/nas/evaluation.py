"""Fitness of many candidates at once: in this process, in processes of this machine, or on a Ray cluster.

Workers die (out of memory, a machine that goes away). What is finished then is kept, what is lost is evaluated anew; a
candidate that kills its worker whenever it is alone there is an error that names it. Nothing is dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from types import TracebackType

import joblib
from joblib.externals.loky import get_reusable_executor
from joblib.parallel import ParallelBackendBase

from tinyml.errors import Progress, ProjectError, missing_extra, no_progress
from tinyml.nas.space import Genome

BACKENDS = ("processes", "ray", "inline")
TOGETHER, ALONE = 2, 2
"""Attempts of all that is left together, after which each of the rest is tried alone."""

Fitness = Callable[[Genome], float]


class Lost(Exception):
    """In place of a result: the worker that computed it has died."""


class Evaluator:
    """`fitness` over lists of genomes, the workers being kept from one list to the next. A context manager.

    `fitness` must not depend on the worker; it is pickled for every candidate, so it should hold paths rather than
    data. `workers`: None for one per core (of the cluster). "inline" has no workers, so nothing that could die.
    `at_once` is how many candidates are evaluated at a time.
    `ray_address`: as for `ray.init`; None takes the cluster of RAY_ADDRESS, or starts one on this machine.
    """

    def __init__(
        self, fitness: Fitness, *, backend: str = "processes", workers: int | None = None,
        ray_address: str | None = None, progress: Progress = no_progress,
    ) -> None:  # fmt: skip
        if backend not in BACKENDS:
            raise ProjectError(f"there is no backend `{backend}`", hint=f"choose one of {', '.join(BACKENDS)}")
        self.fitness, self.backend, self.progress = fitness, backend, progress
        self._workers, self._ray_address = workers, ray_address
        self._open = ExitStack()
        self._cluster_backend: Callable[[], ParallelBackendBase] | None = None
        self._actors: joblib.Parallel | None = None
        self.at_once = 1 if backend == "inline" else workers or joblib.cpu_count()

    def __enter__(self) -> Evaluator:
        if self.backend == "ray":
            try:
                from tinyml.nas.ray_cluster import KeepingRayBackend, connected
            except ModuleNotFoundError as error:
                raise missing_extra("ray", "ray") from error
            self.at_once = self._open.enter_context(connected(self._ray_address, self._workers))
            self._cluster_backend = KeepingRayBackend
        else:
            self._end_processes()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._dismiss()
        self._open.close()
        self._end_processes()

    def __call__(self, genomes: Sequence[Genome]) -> list[float]:
        """One fitness per genome, in their order, whatever the backend.

        Raises: what `fitness` raises; ProjectError for a candidate that kills every worker it is given to.
        """
        found: dict[int, float] = {}
        if self.backend == "inline":
            for index, genome in enumerate(genomes):
                found[index] = float(self.fitness(genome))
                self.progress("evaluating", len(found), len(genomes))
            return list(found.values())
        for _ in range(TOGETHER):
            self._attempt(genomes, _missing(found, genomes), found, self.at_once)
        for index in _missing(found, genomes):
            for _ in range(ALONE):
                self._attempt(genomes, _missing(found, genomes[: index + 1])[:1], found, 1)
            if index not in found:
                raise ProjectError(
                    "a candidate kills the process that evaluates it", details=[str(genomes[index])],
                    hint="see whether memory runs out (fewer `--workers`); `--backend inline` shows what happens",
                )  # fmt: skip
        return [found[index] for index in range(len(genomes))]

    def _attempt(self, genomes: Sequence[Genome], indices: list[int], found: dict[int, float], at_once: int) -> None:
        """Add the results of `indices` to `found` as they come; those lost with a worker stay missing."""
        if not indices:
            return
        parallel = self._workers_for_an_attempt()
        parallel.pre_dispatch = 2 * at_once if at_once > 1 else 1
        tasks = (joblib.delayed(_evaluated)(self.fitness, index, genomes[index]) for index in indices)
        try:
            results: Iterable[tuple[int, float] | Lost] = parallel(tasks)
            for result in results:
                if not isinstance(result, Lost):
                    found[result[0]] = result[1]
                    self.progress("evaluating", len(found), len(genomes))
            if any(index not in found for index in indices):
                self._dismiss()  # an actor that is starting again would lose what it is given in the meantime
        except BrokenProcessPool:  # the next `Parallel` has new workers
            return

    def _workers_for_an_attempt(self) -> joblib.Parallel:
        """Processes of this machine outlive their `Parallel`, and the next has new ones after a death; actors of a
        cluster live as long as its context, which is therefore kept from one attempt to the next.

        joblib runs a single worker within this process, where a death would be ours: so there are two, one idle.
        """
        settings = {"n_jobs": max(2, self.at_once), "return_as": "generator_unordered", "batch_size": 1}
        if self._cluster_backend is None:
            return joblib.Parallel(backend="loky", **settings)
        if self._actors is None:
            self._actors = joblib.Parallel(backend=self._cluster_backend(), **settings).__enter__()
        return self._actors

    def _end_processes(self) -> None:
        """End the processes that joblib keeps for whoever comes next: each has a supernet in memory. Those of others
        must not be taken over: growing by all of torch, they would seem to leak memory and be ended at their work."""
        if self.backend == "processes":
            get_reusable_executor(reuse=True).shutdown(wait=True)

    def _dismiss(self) -> None:
        """Stop the actors of the cluster, if there are any; the next attempt starts new ones and waits for them."""
        if self._actors is not None:
            self._actors.__exit__(None, None, None)
            self._actors = None


def _missing(found: dict[int, float], genomes: Sequence[Genome]) -> list[int]:
    return [index for index in range(len(genomes)) if index not in found]


def _evaluated(fitness: Fitness, index: int, genome: Genome) -> tuple[int, float]:
    return index, float(fitness(genome))
