"""The networks that a product would ship: searched and hand-made at the same cost, on voices never heard."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from statistics import mean
from typing import Any

from joblib import Parallel, delayed
from pydantic import TypeAdapter
from torch import nn

from tests.acceptance.search import rotations
from tests.acceptance.search.baselines import GEOMETRY, MAKERS, HandMade, limits
from tests.acceptance.search.searches import archive
from tests.acceptance.search.setting import (
    CLASSES,
    COUNTS,
    LONG,
    QAT_STEPS,
    SEEDS,
    TRAIN_STEPS,
    costs,
    kept,
    result,
    rotation,
    searched,
    space,
    spoken,
)
from tests.acceptance.search.supernets import fitness
from tests.acceptance.search.training import Judged, accuracy, judged, train_float
from tinyml.architecture import Architecture, Geometry
from tinyml.artifacts import files_digest
from tinyml.compiler.cost import NetworkCost
from tinyml.models import build_architecture
from tinyml.nas.hand_made import within
from tinyml.nas.space import Genome, Space, architecture

JUDGED = 60
"""Candidates per limit that all supernets judge."""
ROUNDS = ((24, (0,)), (8, (1, 2)))
"""How many of the best are trained on next, from which seeds' supernets: the mean over all seeds so far decides."""
_GENOME = TypeAdapter(Genome)


def pick() -> dict[str, Any]:
    """For each limit the searched network: the most accurate candidates of every seed's evolution are judged by all
    supernets; the best then are trained on by themselves, and fewer of them from more seeds' supernets."""
    found = {}
    for name, limit in limits().items():
        shared = judged_by_all(limit)
        own: dict[Genome, list[float]] = {genome: [] for genome in shared}
        for count, seeds in ROUNDS:
            short = sorted(own, key=lambda g: (-mean(own[g]) if own[g] else 0.0, -shared[g]))[:count]
            jobs = [(genome, seed) for genome in short for seed in seeds]
            results = iter(Parallel(2)(delayed(inherited)(genome, seed) for genome, seed in jobs))
            own = {genome: [*own[genome], *(next(results) for _ in seeds)] for genome in short}
        winner = max(own, key=lambda g: mean(own[g]))
        found[name] = {"genome": asdict(winner), "cost": asdict(costs().cost(winner)), "supernet": shared[winner],
                       "shortlist": [{"genome": asdict(g), "supernet": shared[g], "trained": accuracies}
                                     for g, accuracies in own.items()]}  # fmt: skip
    return found


def inherited(genome: Genome, seed: int) -> float:
    """Accuracy on the fitness windows of a network trained on from its weights in that seed's supernet."""
    arch = architecture(space(), genome, CLASSES)

    def train() -> float:
        own = searched(arch.geometry)
        return accuracy(train_float(lambda: fitness(seed).subnet(genome), own, seed), own)

    return kept("inherited", (arch, TRAIN_STEPS, seed, files_digest([fitness(seed).weights])), train)


def judged_by_all(limit: NetworkCost) -> dict[Genome, float]:
    """The best candidates within a limit of all evolutions, with their mean accuracy over the supernets."""
    able = {e.genome: e for seed in SEEDS for e in archive("evolution", seed) if within(e.cost, limit)}
    best = sorted(able, key=lambda genome: -able[genome].accuracy)[:JUDGED]
    jobs = [(genome, seed) for genome in best for seed in SEEDS]
    scores = iter(Parallel(2)(delayed(fitness(seed))(genome) for genome, seed in jobs))
    return {genome: mean(next(scores) for _ in SEEDS) for genome in best}


@dataclass(frozen=True)
class Contender:
    """A network of the finals: what it is, its input, what gives it its first weights in a rotation, and its steps."""

    network: Any
    geometry: Geometry
    build: Callable[[Any, str, int], nn.Module]
    steps: int = TRAIN_STEPS

    def judged(self, speaker: str, seed: int) -> Judged:
        project = rotation(speaker, self.geometry)
        model = train_float(lambda: self.build(self.network, speaker, seed), project, seed, self.steps)
        return judged(model, project, seed)


def contenders() -> dict[str, Contender]:
    """By "limit/kind". The searched network twice: as a search delivers it, from the weights that it has in a supernet
    of the same training data, and from scratch; every hand-made one twice: trained as long as those, and `LONG` times
    as long, for a supernet's training is training too."""
    made: dict[str, Contender] = {}
    for limit in ("full", "tight"):
        genome = chosen(limit)
        arch = architecture(space(), genome, CLASSES)
        made[f"{limit}/searched"] = Contender(genome, arch.geometry, _inherited)
        made[f"{limit}/scratch"] = Contender(arch, arch.geometry, _drawn)
        for kind in MAKERS:
            best = result("baselines")[limit]["best"][kind]
            if best:
                network = HandMade(**best["network"])
                made[f"{limit}/{kind}"] = Contender(network, GEOMETRY, _made)
                made[f"{limit}/{kind}-long"] = Contender(network, GEOMETRY, _made, LONG * TRAIN_STEPS)
    return made


def chosen(limit: str) -> Genome:
    """The searched network of a limit."""
    return _GENOME.validate_python(result("pick")[limit]["genome"])


def _inherited(genome: Genome, speaker: str, seed: int) -> nn.Module:
    return rotations.fitness(speaker, seed, within_of_finals()).subnet(genome)


def _drawn(arch: Architecture, _: str, seed: int) -> nn.Module:
    return build_architecture(arch, seed=seed)


def _made(network: HandMade, *_: object) -> nn.Module:
    return network.build()


def within_of_finals() -> tuple[Space, ...]:
    """The spaces of the inputs that the searched networks have."""
    geometries = {chosen(limit).geometry for limit in ("full", "tight")}
    return tuple(s for s in space().spaces if s[0] in geometries)


def judge(speaker: str) -> dict[str, Any]:
    """All contenders in one rotation, three seeds each."""
    finalists = contenders()
    for contender in finalists.values():  # here: workers cannot start processes of their own
        for split in ("train", "val", "test"):
            rotation(speaker, contender.geometry).examples(split)
        spoken(rotation(speaker, contender.geometry))
    jobs = [(name, seed) for seed in SEEDS for name in finalists]
    needs = [job for job in jobs if job[0].endswith("/searched")]
    Parallel(2)([*(delayed(rotations.train)(speaker, seed, within_of_finals()) for seed in SEEDS),
                 *(delayed(one)(name, speaker, seed) for name, seed in jobs if (name, seed) not in needs)])  # fmt: skip
    Parallel(2)(delayed(one)(name, speaker, seed) for name, seed in needs)
    return {f"{name}/{seed}": one(name, speaker, seed) for name, seed in jobs}


def one(name: str, speaker: str, seed: int) -> dict[str, Any]:
    """One network trained, quantised and judged."""
    contender = contenders()[name]
    return kept("finals", (name, contender.network, contender.steps, QAT_STEPS, COUNTS, speaker, seed),
                lambda: asdict(contender.judged(speaker, seed)))  # fmt: skip
