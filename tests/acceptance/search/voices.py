"""How a network does on voices that it has not heard: of the three that are not tested, each in turn is left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Generic, TypeVar

from joblib import Parallel, delayed
from torch import nn

from tests.acceptance.search.lessons import lessons, trained
from tests.acceptance.search.setting import FINAL_STEPS, SEEDS, VOICES, kept, searched, spoken
from tests.acceptance.search.training import Network, first_weights, hits, train_float

LAST, CLOSE = 4, 0.015
"""How many of the best are trained as long as the finals are, and how close the second of them has to be to the first
for both to be trained with the other seeds too: about what another seed changes."""

N = TypeVar("N", bound=Network)


@dataclass(frozen=True)
class Decision(Generic[N]):
    """The network that did best, and the accuracies of all that were trained as long as it was."""

    winner: N
    accuracies: dict[N, float]


def decide(short: Mapping[N, float]) -> Decision[N]:
    """The last word on networks whose accuracies after a short training are known."""
    return settle(foremost(short, LAST))


def settle(networks: Sequence[N], taught_by: Sequence[Network] = ()) -> Decision[N]:
    """The best of a few, trained as long as the finals are."""
    found = rated(networks, FINAL_STEPS, taught_by=taught_by)
    leaders = foremost(found, 2)
    if len(leaders) == 2 and found[leaders[0]] - found[leaders[1]] <= CLOSE:
        found |= (again := rated(leaders, FINAL_STEPS, SEEDS, taught_by))
        leaders = foremost(again, 1)
    return Decision(leaders[0], found)


def rated(
    networks: Sequence[N], steps: int, seeds: Sequence[int] = SEEDS[:1], taught_by: Sequence[Network] = ()
) -> dict[N, float]:
    """Of every network, trained from scratch without a voice, the share of that voice's clips that it recognises: the
    mean over `VOICES` and `seeds`. Teachers, which have the networks' input, have not heard the voice either."""
    for geometry in {n.geometry for n in networks}:  # here: workers cannot start processes of their own
        for voice in VOICES:
            project = searched(geometry, voice)
            for split in ("train", "val"):
                project.examples(split)
            spoken(project, "val")
    Parallel(2)(delayed(_teacher)(teacher, voice) for voice in VOICES for teacher in taught_by)
    jobs = [(network, voice, seed) for network in networks for voice in VOICES for seed in seeds]
    found = Parallel(2)(delayed(_one)(network, voice, steps, seed, taught_by) for network, voice, seed in jobs)
    runs = len(VOICES) * len(seeds)
    return {network: mean(found[i * runs : (i + 1) * runs]) for i, network in enumerate(networks)}


def foremost(found: Mapping[N, float], count: int) -> list[N]:
    """The `count` best, best first."""
    return sorted(found, key=lambda network: -found[network])[:count]


def _one(network: Network, voice: str, steps: int, seed: int, taught_by: Sequence[Network]) -> float:
    def train() -> float:
        project = searched(network.geometry, voice)
        model = train_float(network.build, project, seed, steps, [_teacher(teacher, voice) for teacher in taught_by])
        return float(hits(model, project, spoken(project, "val")).mean())

    key = (network, first_weights(network.build, seed), voice, steps, seed, *lessons(taught_by))
    return kept("voices", key, train)


def _teacher(network: Network, voice: str) -> nn.Module:
    return trained(network, searched(network.geometry, voice), f"without {voice}")
