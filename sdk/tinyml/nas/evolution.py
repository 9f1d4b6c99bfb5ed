"""Evolution over several objectives: more accuracy for less arena, flash and cycles, within the board's budgets.

NSGA-II: parents and children compete for a population of fixed size by front, then by crowding; parents are drawn by
tournament; half of the children are crossovers, half mutations. What is ours:

- every candidate fits the board before it is evaluated, nothing is evaluated twice, everything evaluated is kept;
- a candidate's front is the best of those of (accuracy, arena), (accuracy, flash) and (accuracy, cycles): with all four
  objectives at once nearly every network is on the first front, and nothing is selected any more;
- a share of the population is reserved for the most accurate, and half of the children have their parents among the
  most accurate of all so far, since a product wants the most accurate that fits;
- the first candidate is the smallest network of the cheapest space: the end of the front that chance rarely meets.

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
ELITE_SHARE = 0.25
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
            elite = tuple(sorted(earlier, key=lambda e: -e.accuracy)[: max(2, population // 2)])
            children = _children(candidates, (parents, elite), rng, count, rate, {e.genome for e in earlier})
            kept.evaluate(children, generation, evaluate, batch=batch, total=evaluations, progress=progress,
                          what=f"evolution, generation {generation}")  # fmt: skip
            if len(children) < count:
                progress("evolution: no other network fits", len(kept), len(kept))
                break
        generation += 1
    return tuple(kept.evaluated[:evaluations])


def survivors(evaluated: Sequence[Evaluated], population: int) -> tuple[Evaluated, ...]:
    """The `population` candidates that go on: the most accurate for `ELITE_SHARE` of the places, then by front. Their
    order, best first for tournaments, takes in turn the most accurate and the foremost of those that are left."""
    if not evaluated:
        return ()
    foremost = _by_front(evaluated)
    accurate = sorted(foremost, key=lambda i: -evaluated[i].accuracy)
    places = dict.fromkeys([*accurate[: int(population * ELITE_SHARE)], *foremost])
    chosen = set(list(places)[:population])
    pairs = zip((i for i in accurate if i in chosen), (i for i in foremost if i in chosen), strict=True)
    return tuple(evaluated[i] for i in dict.fromkeys(index for pair in pairs for index in pair))


def _by_front(evaluated: Sequence[Evaluated]) -> list[int]:
    """Indices by (front, crowding), best first: those of accuracy against arena, flash or cycles, whichever is best."""
    points = points_of(evaluated)
    found = [_front_and_crowding(points[:, [0, cost]]) for cost in range(1, points.shape[1])]
    rank = np.min([ranking for ranking, _ in found], axis=0)
    lonely = np.max([np.where(ranking == rank, distance, 0.0) for ranking, distance in found], axis=0)
    return [int(i) for i in np.lexsort((-lonely, rank))]


def _front_and_crowding(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Front (int) and crowding within it (float) of every point, both [N]."""
    rank, lonely = ranks(points), np.zeros(len(points))
    for front in np.unique(rank):
        lonely[rank == front] = crowding(points[rank == front])
    return rank, lonely


def _children(
    candidates: Candidates, pools: tuple[tuple[Evaluated, ...], tuple[Evaluated, ...]], rng: np.random.Generator,
    count: int, rate: float, known: set[Genome],
) -> list[Candidate]:  # fmt: skip
    """Up to `count` networks that fit and are not `known`, half of them with parents from each of the `pools`, whose
    order is best first; without parents they are the smallest and random ones."""
    children = [candidates.smallest] if candidates.smallest and not pools[0] else []
    known = known | {genome for genome, _ in children}
    for number in range(len(children), count):
        parents = pools[number // 2 % 2]
        child = _child(candidates, parents, rng, rate, known, cross=number % 2 == 0) if parents else None
        child = child or candidates.new(rng, known, ATTEMPTS)
        if child is None:
            break
        children.append(child)
        known.add(child[0])
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
