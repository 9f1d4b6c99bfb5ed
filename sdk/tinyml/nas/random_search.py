"""Random search, which evolution has to beat: networks drawn evenly among those that fit, each evaluated once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from tinyml.compiler.cost import NetworkCost
from tinyml.errors import Progress, no_progress
from tinyml.nas.budget import Budget
from tinyml.nas.candidates import Candidates
from tinyml.nas.evolution import ATTEMPTS
from tinyml.nas.record import Evaluated
from tinyml.nas.search_state import Candidate, SearchState, state_key
from tinyml.nas.space import Genome, SearchSpace, Space


def random_search(
    space: SearchSpace, cost: Callable[[Genome], NetworkCost], budgets: Sequence[Budget],
    evaluate: Callable[[list[Genome]], list[float]], *, population: int, evaluations: int, seed: int,
    within: tuple[Space, ...] | None, state: Path, identity: str = "", batch: int = 4,
    progress: Progress = no_progress,
) -> tuple[Evaluated, ...]:  # fmt: skip
    """As `evolution.evolve`, of which it takes the arguments; `population` is how many are drawn from one generator."""
    candidates = Candidates(space, cost, budgets, within)
    kept = SearchState(state, state_key("random", space, candidates.budgets, population, seed, within, identity))
    generation = 0
    while len(earlier := kept.before(generation)) < evaluations:
        rng = np.random.default_rng([seed, generation, 1])
        known, drawn = {e.genome for e in earlier}, list[Candidate]()
        count = min(population, evaluations - len(earlier))
        while len(drawn) < count and (new := candidates.new(rng, known, ATTEMPTS)):
            drawn.append(new)
            known.add(new[0])
        kept.evaluate(drawn, generation, evaluate, batch=batch, total=evaluations, progress=progress,
                      what="random search")  # fmt: skip
        if len(drawn) < count:
            progress("random search: no other network fits", len(kept), len(kept))
            break
        generation += 1
    return tuple(kept.evaluated[:evaluations])
