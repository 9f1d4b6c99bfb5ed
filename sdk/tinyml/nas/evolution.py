"""Evolution over several objectives: more accuracy for less arena, flash and cycles, within the board's budgets.

NSGA-II: parents and children compete for a population of fixed size by front, then by crowding; parents are drawn by
tournament; half of the children are crossovers, half mutations. What is ours: every candidate fits the board before it
is evaluated, nothing is evaluated twice, everything ever evaluated is kept, and a share of the population is reserved
for the most accurate, because with four objectives nearly every network is on the first front and a product wants the
most accurate that fits.

Source: Deb et al., "A fast and elitist multiobjective genetic algorithm: NSGA-II", 2002; mutation rate and halves of
children as Lin et al., "MCUNet", 2020.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from tinyml.compiler.cost import NetworkCost
from tinyml.errors import Progress, no_progress
from tinyml.nas.budget import Budget
from tinyml.nas.candidates import Candidates
from tinyml.nas.pareto import crowding, points_of, ranks
from tinyml.nas.record import Evaluated
from tinyml.nas.search_state import Candidate, SearchState, state_key
from tinyml.nas.space import Genome, SearchSpace, Space, crossover, mutate

ATTEMPTS = 50
"""Draws for one child before the search takes a random network instead, and for that one before it stops."""
ELITE_SHARE = 0.5
"""Share of the population that the most accurate networks have for certain."""


def evolve(
    space: SearchSpace, cost: Callable[[Genome], NetworkCost], budgets: Sequence[Budget],
    evaluate: Callable[[list[Genome]], list[float]], *, population: int, evaluations: int, seed: int,
    within: tuple[Space, ...] | None, state: Path, rate: float = 0.1, identity: str = "", batch: int = 4,
    progress: Progress = no_progress,
) -> tuple[Evaluated, ...]:  # fmt: skip
    """Every network evaluated, in order: `evaluations`, or fewer if no other is found that fits (`progress` says so).

    `budgets` are per geometry; `within`: the spaces to search (None: all). `identity` names what else the accuracies
    depend on. All evaluated so far is in the file `state` after every `batch` evaluations; with the same arguments the
    search goes on from there and ends as an uninterrupted one. `evaluate` may use any number of workers.

    Raises: OverBudgetError when nothing fits; ProjectError for a damaged or foreign `state`, or a full disk.
    """
    candidates = Candidates(space, cost, budgets, within)
    key = state_key("evolution", space, candidates.budgets, population, seed, within, rate, identity)
    kept = SearchState(state, key)
    generation, parents = 0, ()
    while generation == 0 or len(kept.before(generation)) < evaluations:
        parents = survivors((*parents, *kept.of(generation - 1)), population)
        earlier = kept.before(generation)
        count = min(population, evaluations - len(earlier))
        if len(kept.of(generation)) < count:  # else a run before this one has finished it
            rng = np.random.default_rng([seed, generation])
            children = _children(candidates, parents, rng, count, rate, {e.genome for e in earlier})
            kept.evaluate(children, generation, evaluate, batch=batch, total=evaluations, progress=progress,
                          what=f"evolution, generation {generation}")  # fmt: skip
            if len(children) < count:
                progress("evolution: no other network fits", len(kept), len(kept))
                break
        generation += 1
    return tuple(kept.evaluated[:evaluations])


def survivors(evaluated: Sequence[Evaluated], population: int) -> tuple[Evaluated, ...]:
    """The `population` candidates that go on, best first: the most accurate for `ELITE_SHARE` of the places, then by
    front and crowding."""
    if not evaluated:
        return ()
    order = _by_front(evaluated)
    by_accuracy = sorted(order, key=lambda i: -evaluated[i].accuracy)
    elite = by_accuracy[: int(population * ELITE_SHARE)]
    chosen = [*elite, *(i for i in order if i not in elite)][:population]
    return tuple(evaluated[i] for i in order if i in chosen)


def _by_front(evaluated: Sequence[Evaluated]) -> list[int]:
    """Indices by (front, crowding), best first."""
    points = points_of(evaluated)
    rank, lonely = ranks(points), np.zeros(len(points))
    for front in range(int(rank.max()) + 1):
        lonely[rank == front] = crowding(points[rank == front])
    return [int(i) for i in np.lexsort((-lonely, rank))]


def _children(
    candidates: Candidates, parents: tuple[Evaluated, ...], rng: np.random.Generator, count: int, rate: float,
    known: set[Genome],
) -> list[Candidate]:  # fmt: skip
    """Up to `count` networks that fit and are not `known`; without parents they are random ones."""
    children: list[Candidate] = []
    for number in range(count):
        child = _child(candidates, parents, rng, rate, known, cross=number % 2 == 0) if parents else None
        child = child or candidates.new(rng, known, ATTEMPTS)
        if child is None:
            break
        children.append(child)
        known = known | {child[0]}
    return children


def _child(
    candidates: Candidates, parents: tuple[Evaluated, ...], rng: np.random.Generator, rate: float,
    known: set[Genome], *, cross: bool,
) -> Candidate | None:  # fmt: skip
    """A crossover or a mutation that fits and is not `known`; None after `ATTEMPTS`."""
    for _ in range(ATTEMPTS):
        first = _tournament(parents, rng)
        if cross:
            genome = crossover(candidates.space, first, _tournament(parents, rng), rng)
        else:
            genome = mutate(candidates.space, first, rng, rate, candidates.within)
        if genome not in known and (candidate := candidates.fitting(genome)):
            return candidate
    return None


def _tournament(parents: tuple[Evaluated, ...], rng: np.random.Generator) -> Genome:
    """The better of two parents; they are ordered, best first."""
    return parents[int(rng.integers(len(parents), size=2).min())].genome
