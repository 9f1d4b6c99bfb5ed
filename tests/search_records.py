"""Records of searches that never ran: real genomes, costs from the networks' shapes, accuracies from a formula."""

from __future__ import annotations

from dataclasses import replace
from math import exp, prod

import numpy as np

from tinyml.architecture import Geometry
from tinyml.compiler.cost import NetworkCost
from tinyml.nas.budget import Budget
from tinyml.nas.record import Baseline, Counts, Evaluated, Final, SearchRecord, SpaceResult
from tinyml.nas.space import (
    INVERTED_RESIDUAL,
    SEPARABLE,
    Genome,
    SearchSpace,
    Space,
    StageSpec,
    StemSpec,
    architecture,
    mutate,
    sample,
)

CLASSES = 12


def audio_space(
    hops: tuple[float, ...] = (10, 20, 30), mels: tuple[int, ...] = (20, 40), widths: int = 4
) -> SearchSpace:
    """Separable convolutions over spectrograms of a second."""
    stages = (
        StageSpec(32, (2, 2), (1, 2), ((3, 3), (5, 3), (5, 5)), (0.75, 1, 1.25), True),
        StageSpec(48, (1, 1), (1, 2, 3), ((3, 3), (5, 3), (7, 3)), (0.75, 1, 1.25), True),
        StageSpec(64, (2, 1), (1, 2, 3), ((3, 3), (7, 3), (9, 3)), (0.75, 1, 1.25), True),
    )
    geometries = tuple(Geometry(round(1000 / hop) - 1, mel, 1, hop) for mel in mels for hop in hops)
    stem = StemSpec(24, ((5, 3), (7, 5), (9, 5)), (2, 2))
    return SearchSpace("audio", SEPARABLE, geometries, tuple(0.5 + 0.25 * i for i in range(widths)), stem, stages)


def image_space(sizes: int = 12, widths: int = 9) -> SearchSpace:
    """Inverted residuals over pictures: with the defaults the 108 spaces of the literature."""
    kernels, expansions = ((3, 3), (5, 5), (7, 7)), (3, 4, 6)
    plan = ((16, (1, 1)), (24, (2, 2)), (40, (2, 2)), (80, (2, 2)), (96, (1, 1)), (192, (2, 2)))
    stages = tuple(StageSpec(c, s, (2, 3, 4), kernels, expansions, True) for c, s in plan)
    geometries = tuple(Geometry(48 + 16 * i, 48 + 16 * i, 3) for i in range(sizes))
    return SearchSpace("image", INVERTED_RESIDUAL, geometries, tuple(0.2 + 0.1 * i for i in range(widths)),
                       StemSpec(16, ((3, 3),), (2, 2)), stages, 320)  # fmt: skip


def made_up_cost(space: SearchSpace, genome: Genome) -> NetworkCost:
    """From shapes alone: the two largest neighbours are the arena."""
    arch = architecture(space, genome, CLASSES)
    sizes = [prod(layer.shape) for layer in arch.layers]
    arena = max(a + b for a, b in zip([prod(arch.geometry.shape), *sizes], [*sizes, 0], strict=True))
    cycles = round(sum(layer.macs * (2.6 if layer.kind == "depthwise" else 0.9) + 2000 for layer in arch.layers))
    return NetworkCost(arch.macs, cycles, arena, 9000 + 400 * len(sizes), arch.weights)


def made_up_accuracy(cost: NetworkCost, rng: np.random.Generator, most: float = 0.955) -> float:
    """Larger is better with diminishing returns; in steps of one of 960 examples."""
    true = most - 0.32 * exp(-((cost.cycles / 4e5) ** 0.45)) - abs(rng.normal(0, 0.02))
    return round(true * 960) / 960


def searched(
    space: SearchSpace, budget: Budget, *, samples: int = 60, evaluations: int = 80, seed: int = 0
) -> SearchRecord:
    """A whole search as its record tells of it."""
    rng = np.random.default_rng(seed)
    budgets = (budget,) * len(space.geometries)
    spaces = tuple(_space_result(space, s, budget, samples, rng) for s in space.spaces)
    chosen_spaces = tuple(r.space for r in sorted(spaces, key=lambda r: -r.mean_macs)[:4] if r.fitting)
    found = _evolved(space, budget, chosen_spaces, evaluations, rng)
    drawn = tuple(_evaluated(space, _fitting(space, budget, chosen_spaces, rng), rng) for _ in range(evaluations))
    chosen = max(range(len(found)), key=lambda i: (found[i].accuracy, -found[i].cost.cycles))
    best = found[chosen]
    worse = replace(best.cost, cycles=int(best.cost.cycles * 1.1), arena_bytes=int(best.cost.arena_bytes * 0.8))
    slim = replace(best.cost, cycles=best.cost.cycles // 3, arena_bytes=best.cost.arena_bytes // 2)
    steps = np.arange(900)
    losses = 2.4 * np.exp(-steps / 200) + 0.25 + rng.normal(0, 0.05, len(steps)) + 0.3 * (steps > 300)
    return SearchRecord(
        "nrf52840", seed, CLASSES, Counts(samples, 300, 600, 20, evaluations, evaluations), space, budgets,
        spaces=spaces, chosen_spaces=chosen_spaces, losses=tuple(losses.tolist()), evaluations=found,
        pareto=_front(found), chosen=chosen, random=drawn,
        baselines=(Baseline("DS-CNN x 1", best.accuracy - 0.015, worse), Baseline("DS-CNN x 0.5", 0.86, slim)),
        final=Final(best.accuracy + 0.012, best.accuracy + 0.009, best.cost.arena_bytes, best.cost.flash_bytes + 120,
                    int(best.cost.cycles * 0.97)),
        seconds={"spaces": 130.0, "supernet": 1720.0, "evolution": 910.0, "random": 890.0}, watts=15.0,
    )  # fmt: skip


def _space_result(
    space: SearchSpace, which: Space, budget: Budget, samples: int, rng: np.random.Generator
) -> SpaceResult:
    costs = [made_up_cost(space, sample(space, rng, (which,))) for _ in range(samples)]
    return SpaceResult(which, samples, tuple(sorted(c.macs for c in costs if budget.fits(c))))


def _fitting(space: SearchSpace, budget: Budget, within: tuple[Space, ...], rng: np.random.Generator) -> Genome:
    while True:
        genome = sample(space, rng, within)
        if budget.fits(made_up_cost(space, genome)):
            return genome


def _evaluated(space: SearchSpace, genome: Genome, rng: np.random.Generator, generation: int = 0) -> Evaluated:
    cost = made_up_cost(space, genome)
    return Evaluated(genome, made_up_accuracy(cost, rng), cost, generation)


def _evolved(
    space: SearchSpace, budget: Budget, within: tuple[Space, ...], evaluations: int, rng: np.random.Generator
) -> tuple[Evaluated, ...]:
    """Mutants of the best so far; later generations are better, as those of a search are."""
    found: list[Evaluated] = []
    while len(found) < evaluations:
        genome = _fitting(space, budget, within, rng)
        if len(found) >= 20:
            front = _front(tuple(found))
            genome = mutate(space, found[front[rng.integers(len(front))]].genome, rng, 0.15, within)
        if budget.fits(made_up_cost(space, genome)):
            new = _evaluated(space, genome, rng, len(found) // 20)
            found.append(replace(new, accuracy=new.accuracy + 0.01 * len(found) / evaluations))
    return tuple(found)


def _front(found: tuple[Evaluated, ...]) -> tuple[int, ...]:
    values = np.array([(-e.accuracy, e.cost.cycles, e.cost.arena_bytes) for e in found])
    better = [(np.all(values <= v, axis=1) & np.any(values < v, axis=1)).any() for v in values]
    return tuple(np.flatnonzero(np.logical_not(better)).tolist())
