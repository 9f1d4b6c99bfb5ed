"""Evolution against random search, and TinyNAS's own ablation: the chosen space, a random one, all of them at once."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from pydantic import TypeAdapter
from torch import nn

from tests.acceptance.search.baselines import limits
from tests.acceptance.search.setting import (
    CLASSES,
    EVALUATIONS,
    POPULATION,
    TRAIN_STEPS,
    WORK,
    bars,
    budgets,
    costs,
    kept,
    result,
    searched,
    space,
)
from tests.acceptance.search.supernets import fitness
from tests.acceptance.search.training import accuracy, first_weights, train_float
from tinyml.artifacts import files_digest
from tinyml.models import build_architecture
from tinyml.nas.evaluation import Evaluator
from tinyml.nas.evolution import evolve
from tinyml.nas.pareto import hypervolume
from tinyml.nas.random_search import random_search
from tinyml.nas.record import Evaluated
from tinyml.nas.search import best
from tinyml.nas.space import Genome, Space, architecture

REFERENCE_ACCURACY = 0.5
"""The reference point of hypervolumes, with the budget's cycles: what is worse than either counts for nothing."""
Search = Callable[..., tuple[Evaluated, ...]]
_EVALUATED = TypeAdapter(tuple[Evaluated, ...])


def explore(search: Search, name: str, seed: int, within: tuple[Space, ...] | None = None) -> tuple[Evaluated, ...]:
    """`EVALUATIONS` candidates within the full limit, with the weights of that seed's supernet."""
    judge = fitness(seed)
    with Evaluator(judge, progress=bars()) as evaluate:
        return search(
            space(), costs().cost, budgets(limits()["full"]), evaluate, population=POPULATION, evaluations=EVALUATIONS,
            seed=seed, within=within, state=WORK / f"{name}-{seed}.json", identity=files_digest([judge.weights]),
            progress=bars(),
        )  # fmt: skip


def compare(seed: int) -> dict[str, Any]:
    """Evolution and random search over all spaces, and their hypervolumes."""
    found = {"evolution": explore(evolve, "evolution", seed), "random": explore(random_search, "random", seed)}
    return {name: {"hypervolume": volume(candidates), "best": candidates[best(candidates)].accuracy,
                   "evaluations": len(candidates)} for name, candidates in found.items()}  # fmt: skip


def volume(candidates: Sequence[Evaluated]) -> float:
    """Of accuracy and cycles, as a share of what a perfect network of no cycles would have."""
    limit = limits()["full"].cycles
    area = hypervolume([(e.accuracy, e.cost.cycles) for e in candidates], (REFERENCE_ACCURACY, limit))
    return area / ((1 - REFERENCE_ACCURACY) * limit)


def ablation(seed: int) -> dict[str, Any]:
    """The best network of each arm, by the supernet and trained by itself. The random space is one of those in which
    something fits, drawn by the seed."""
    found = result("spaces")
    able = [tuple(row["space"]) for row in found["spaces"] if row["fitting"]]
    drawn = able[np.random.default_rng(seed).integers(len(able))]
    arms = {"chosen": (tuple(found["chosen"]),), "random": (drawn,), "all": None}
    rows = {}
    for name, within in arms.items():
        # All spaces at once is what `compare` has searched: its state is taken up and is complete.
        candidates = explore(evolve, "evolution" if within is None else f"ablation-{name}", seed, within)
        top = candidates[best(candidates)]
        rows[name] = {"space": None if within is None else space().title(within[0]), "supernet": top.accuracy,
                      "hypervolume": volume(candidates), "alone": alone(top.genome, seed), "genome": asdict(top.genome),
                      "cost": asdict(top.cost)}  # fmt: skip
    return rows


def alone(genome: Genome, seed: int) -> float:
    """Accuracy on the fitness windows of a network trained from scratch; kept, so that it is trained once."""
    arch = architecture(space(), genome, CLASSES)

    def build(seed: int) -> nn.Module:
        return build_architecture(arch, seed=seed)

    def train() -> float:
        chosen = searched(arch.geometry)
        return accuracy(train_float(build, chosen, seed, TRAIN_STEPS), chosen)

    return kept("alone", (arch, first_weights(build, seed), TRAIN_STEPS, seed), train)


def archive(name: str, seed: int) -> tuple[Evaluated, ...]:
    """What `explore` kept."""
    return _EVALUATED.validate_python(json.loads((WORK / f"{name}-{seed}.json").read_text())["evaluated"])
