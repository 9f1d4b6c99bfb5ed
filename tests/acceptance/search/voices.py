"""How a network does on voices that it has not heard: of the three that are not tested, each in turn is left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import mean
from typing import Protocol, TypeVar

from joblib import Parallel, delayed
from torch import nn

from tests.acceptance.search.setting import SEEDS, VOICES, kept, searched, spoken
from tests.acceptance.search.training import hits, train_float
from tinyml.architecture import Geometry

LAST = 3
"""How many of the best, hand-made or searched, are trained as long as the finals are to choose among them."""


class Network(Protocol):
    """What can be trained; its `repr` names it."""

    @property
    def geometry(self) -> Geometry: ...

    def build(self, seed: int) -> nn.Module: ...


N = TypeVar("N", bound=Network)


def rated(networks: Sequence[N], steps: int) -> dict[N, float]:
    """Of every network, trained from scratch without a voice, the share of that voice's clips that it recognises: the
    mean over `VOICES`."""
    for geometry in {n.geometry for n in networks}:  # here: workers cannot start processes of their own
        for voice in VOICES:
            project = searched(geometry, voice)
            for split in ("train", "val"):
                project.examples(split)
            spoken(project, "val")
    found = iter(Parallel(2)(delayed(_one)(n, voice, steps) for n in networks for voice in VOICES))
    return {network: mean(next(found) for _ in VOICES) for network in networks}


def foremost(found: Mapping[N, float], count: int) -> list[N]:
    """The `count` best, best first."""
    return sorted(found, key=lambda network: -found[network])[:count]


def _one(network: Network, voice: str, steps: int) -> float:
    seed = SEEDS[0]

    def train() -> float:
        project = searched(network.geometry, voice)
        model = train_float(network.build, project, seed, steps)
        return float(hits(model, project, spoken(project, "val")).mean())

    return kept("voices", (network, voice, steps, seed), train)
