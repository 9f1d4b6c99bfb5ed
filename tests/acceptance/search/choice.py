"""The searched network of each limit: found by the supernets input by input, chosen by voices that were not heard.

Shared weights rank networks well as long as these hear the same; which input and which network also suit other voices
they cannot tell, for one voice is all that they were judged by. So the best of every input are trained by themselves.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from statistics import mean
from typing import Any

from joblib import Parallel, delayed
from pydantic import TypeAdapter
from torch import nn

from tests.acceptance.search.baselines import limits
from tests.acceptance.search.setting import (
    CLASSES,
    FINAL_STEPS,
    POPULATION,
    SEEDS,
    TEST_SPEAKER,
    TRAIN_STEPS,
    WORK,
    bars,
    budgets,
    costs,
    project,
    result,
    space,
)
from tests.acceptance.search.supernets import fitness
from tests.acceptance.search.voices import LAST, foremost, rated
from tinyml.architecture import Architecture, Found, Geometry, Network
from tinyml.artifacts import files_digest
from tinyml.models import build_architecture
from tinyml.nas.evolution import evolve
from tinyml.nas.space import Genome, architecture
from tinyml.searched import sha256_of

EVALUATIONS = 80
"""Candidates per input and limit; every one is judged by all supernets."""
INPUTS, MORE = 4, 5
"""How many inputs are looked at again, and with how many networks more each."""
_GENOME = TypeAdapter(Genome)


@dataclass(frozen=True, repr=False)
class Searched:
    """A network of the space."""

    genome: Genome

    def __repr__(self) -> str:
        """Tells what the genome means, whatever the space is."""
        return repr(self.architecture)

    @property
    def architecture(self) -> Architecture:
        return architecture(space(), self.genome, CLASSES)

    @property
    def geometry(self) -> Geometry:
        return self.architecture.geometry

    def build(self, seed: int) -> nn.Module:
        return build_architecture(self.architecture, seed=seed)


def pick(name: str, inputs: list[int]) -> dict[str, Any]:
    """The network of the limit called `name`, and what it was chosen from; `inputs` are indices of geometries."""
    shared = {index: explore(name, index) for index in inputs}
    first = rated([foremost(candidates, 1)[0] for candidates in shared.values()], TRAIN_STEPS)
    again = [space().geometries.index(network.geometry) for network in foremost(first, INPUTS)]
    more = [network for index in again for network in foremost(shared[index], 1 + MORE)[1:]]
    short = first | rated(more, TRAIN_STEPS)
    last = rated(foremost(short, LAST), FINAL_STEPS)
    winner = foremost(last, 1)[0]
    by_supernets = {network: accuracy for candidates in shared.values() for network, accuracy in candidates.items()}
    rows = [{"genome": asdict(network.genome), "cost": asdict(costs().cost(network.genome)),
             "supernet": by_supernets[network], "voices": accuracy, "last": last.get(network)}
            for network, accuracy in short.items()]  # fmt: skip
    return {"genome": asdict(winner.genome), "cost": asdict(costs().cost(winner.genome)), "inputs": again,
            "shortlist": rows}  # fmt: skip


def full() -> dict[str, Any]:
    return pick("full", list(range(len(space().geometries))))


def tight() -> dict[str, Any]:
    """Of the inputs alone that did best at the full limit."""
    return pick("tight", result("pick-full")["inputs"])


def explore(name: str, index: int) -> dict[Searched, float]:
    """What an evolution meets that keeps to one input: accuracies on the fitness windows, means over the supernets."""

    def judge(genomes: list[Genome]) -> list[float]:
        jobs = [(seed, genome) for seed in SEEDS for genome in genomes]
        found = Parallel(2)(delayed(fitness(seed))(genome) for seed, genome in jobs)
        return [mean(found[at :: len(genomes)]) for at in range(len(genomes))]

    found = evolve(
        space(), costs().cost, budgets(limits()[name]), judge, population=POPULATION, evaluations=EVALUATIONS,
        seed=SEEDS[0], within=tuple(s for s in space().spaces if s[0] == index), state=record_file(name, index),
        identity=files_digest([fitness(seed).weights for seed in SEEDS]), batch=POPULATION, progress=bars(),
    )  # fmt: skip
    return {Searched(e.genome): e.accuracy for e in found}


def record_file(name: str, index: int) -> Path:
    """What the evolution of a limit and an input has met."""
    return WORK / f"pick-{name}-{index}.json"


def network(name: str) -> Network:
    """The architecture file of a limit's network."""
    winner, limit = chosen(name), limits()[name]
    (budget, *_) = budgets(limit)
    record = record_file(name, winner.genome.geometry)
    steps = " ".join([*(f"supernet-{seed}" for seed in SEEDS), "pick-full", "pick-tight"])
    found_by = Found(
        command=f'make search-figures STEP="{steps}"', date=date.fromtimestamp(record.stat().st_mtime).isoformat(),
        seed=SEEDS[0], board="nrf52840", data=f"spoken digits without {TEST_SPEAKER}, synth",
        labels=project().config.labels, space=space().name, ram_bytes=budget.ram_bytes, flash_bytes=budget.flash_bytes,
        cycles=budget.cycles or 0, search_key=files_digest([fitness(seed).weights for seed in SEEDS]),
        record_sha256=sha256_of(record),
    )  # fmt: skip
    return Network.of(winner.architecture, found_by)


def chosen(name: str) -> Searched:
    """The searched network of a limit."""
    return Searched(_GENOME.validate_python(result(f"pick-{name}")["genome"]))
