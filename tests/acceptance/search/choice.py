"""The searched network of each limit: found by the supernets input by input, chosen by voices that were not heard.

Shared weights rank networks well as long as these hear the same; which input and which network also suit other voices
they cannot tell, for one voice is all that they were judged by. So the best of every input is trained by itself, and
so is what is known to be good: the hand-made network's own layers on that input, as wide as the limit allows.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import date
from itertools import product
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import soundfile
from joblib import Parallel, delayed
from pydantic import TypeAdapter
from torch import nn

from tests.acceptance.search.baselines import best, limits
from tests.acceptance.search.setting import (
    CLASSES,
    CLIPS,
    POPULATION,
    SEEDS,
    TEST_SPEAKER,
    TRAIN_STEPS,
    VOICES,
    WORK,
    bars,
    budgets,
    costs,
    project,
    result,
    space,
)
from tests.acceptance.search.supernets import fitness
from tests.acceptance.search.training import Network as TrainedNetwork
from tests.acceptance.search.voices import decide, foremost, rated, settle
from tinyml.architecture import Architecture, Found, Geometry, Network
from tinyml.artifacts import files_digest
from tinyml.compiler.cost import NetworkCost
from tinyml.models import build_architecture
from tinyml.nas.evolution import evolve
from tinyml.nas.hand_made import within
from tinyml.nas.space import Genome, architecture
from tinyml.searched import sha256_of

EVALUATIONS = 80
"""Candidates per input and limit; every one is judged by all supernets."""
HELD = 0.95
"""Of every voice's clips the share that has to be as short as an input's window: what is cut off cannot be learnt."""
STEM_KERNEL, KERNEL, DEPTHS, SHARE = (5, 5), (3, 3), (1, 1, 1, 2), 0.75
"""DS-CNN in terms of the space: its stem, its kernels, its blocks by stage, its part of the stages' channels."""
LARGEST = 4
"""How many of those that fill a limit stand beside the network that was picked."""
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


def pick(name: str) -> dict[str, Any]:
    """The network of the limit called `name`, and what it was chosen from."""
    limit, shared, origin = limits()[name], {}, {}
    for index in inputs():
        met = explore(name, index)
        found = foremost(met, 1)[0]
        origin |= {found: "supernets"} | {made: "hand-made" for made in familiar(index, limit)}
        shared[found] = met[found]
    short = rated(list(origin), TRAIN_STEPS)
    last = decide(short)
    rows = [{"genome": asdict(network.genome), "cost": asdict(costs().cost(network.genome)), "origin": origin[network],
             "supernet": shared.get(network), "voices": accuracy, "last": last.accuracies.get(network)}
            for network, accuracy in short.items()]  # fmt: skip
    winner = last.winner.genome
    return {"genome": asdict(winner), "cost": asdict(costs().cost(winner)), "shortlist": rows}


def refine(name: str) -> dict[str, Any]:
    """The limit's network for good: the one that was picked or one that fills the limit on its input, whichever does
    best when it is taught, judged by voices not heard."""
    first = picked(name)
    able = list(dict.fromkeys([first, *filling(first, limits()[name])]))
    last = settle(able, teachers(first.geometry))
    rows = [{"genome": asdict(network.genome), "cost": asdict(costs().cost(network.genome)), "voices": accuracy}
            for network, accuracy in last.accuracies.items()]  # fmt: skip
    winner = last.winner.genome
    return {"genome": asdict(winner), "cost": asdict(costs().cost(winner)), "taught": rows}


def filling(network: Searched, limit: NetworkCost) -> list[Searched]:
    """On a network's input with its kernels: for every choice of depths the one with most multiply-accumulates that
    fits, whatever its widths; of those the `LARGEST` with most, most first. That the largest network that fits is
    likely the best is what TinyNAS chooses spaces by."""
    found = filter(None, (_largest(network, depths, limit) for depths in product(*(s.depths for s in space().stages))))
    return sorted(found, key=lambda n: -n.architecture.macs)[:LARGEST]


def _largest(like: Searched, depths: tuple[int, ...], limit: NetworkCost) -> Searched | None:
    """Of the networks with so many blocks by stage."""
    stages = space().stages
    chosen = tuple(spec.depths.index(count) for spec, count in zip(stages, depths, strict=True))
    kernels = tuple((own[0],) * count for own, count in zip(like.genome.kernels, depths, strict=True))
    shares = product(*(range(len(spec.expansions)) for spec in stages))
    genomes = (replace(like.genome, width=width, depths=chosen, kernels=kernels, expansions=tuple((s,) for s in own))
               for width, own in product(range(len(space().widths)), shares))  # fmt: skip
    largest_first = sorted(map(Searched, genomes), key=lambda n: -n.architecture.macs)
    return next((n for n in largest_first if within(costs().quick(n.genome), limit)), None)


def inputs() -> list[int]:
    """Indices of the geometries whose window holds `HELD` of the clips of each voice that may be heard."""
    longest_ms = max(float(np.quantile(durations_ms(voice), HELD)) for voice in VOICES)
    return [i for i, g in enumerate(space().geometries) if g.height * g.hop_ms >= longest_ms]


def durations_ms(voice: str) -> list[float]:
    """How long a speaker's clips are."""
    return [1000 * soundfile.info(path).duration for path in sorted(CLIPS.glob(f"*/{voice}_*.wav"))]


def familiar(index: int, limit: NetworkCost) -> list[Searched]:
    """The template's hand-made network on another input: DS-CNN's kernels, depth and proportions, of all widths the
    largest that fits; none if none does."""
    stages = space().stages
    depths = tuple(spec.depths.index(count) for spec, count in zip(stages, DEPTHS, strict=True))
    kernels = tuple((spec.kernels.index(KERNEL),) * count for spec, count in zip(stages, DEPTHS, strict=True))
    shares = tuple((spec.expansions.index(SHARE),) for spec in stages)
    stem = space().stem.kernels.index(STEM_KERNEL)
    networks = (Genome(index, width, stem, depths, kernels, shares) for width in reversed(range(len(space().widths))))
    return [Searched(genome) for genome in networks if within(costs().cost(genome), limit)][:1]


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
    before = ["baselines", *(f"supernet-{seed}" for seed in SEEDS), "pick-full"]  # whose networks teach
    steps = " ".join(dict.fromkeys([*before, f"pick-{name}", f"refine-{name}"]))
    found_by = Found(
        command=f'make search-figures STEP="{steps}"', date=date.fromtimestamp(record.stat().st_mtime).isoformat(),
        seed=SEEDS[0], board="nrf52840", data=f"spoken digits without {TEST_SPEAKER}, synth",
        labels=project().config.labels, space=space().name, ram_bytes=budget.ram_bytes, flash_bytes=budget.flash_bytes,
        cycles=budget.cycles or 0, search_key=files_digest([fitness(seed).weights for seed in SEEDS]),
        record_sha256=sha256_of(record),
    )  # fmt: skip
    return Network.of(winner.architecture, found_by)


def picked(name: str) -> Searched:
    """What `pick` has found for a limit."""
    return Searched(_GENOME.validate_python(result(f"pick-{name}")["genome"]))


def chosen(name: str) -> Searched:
    """The searched network of a limit."""
    return Searched(_GENOME.validate_python(result(f"refine-{name}")["genome"]))


def teachers(geometry: Geometry) -> tuple[TrainedNetwork, ...]:
    """Who teaches networks of an input: the two of the full cost, searched and hand-made, as far as they have it.

    Raises: ValueError when neither has.
    """
    both = picked("full"), best("full")
    if not (found := tuple(network for network in both if network.geometry == geometry)):
        raise ValueError(f"no network of the full cost has the input {geometry.title}, so none can teach")
    return found
