"""The hand-made networks of the project, scaled by width and depth to a cost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from statistics import mean
from typing import Any

import torch
from joblib import Parallel, delayed
from torch import nn

from tests.acceptance.search.setting import (
    CLASSES,
    SEEDS,
    TIGHT_SHARE,
    TRAIN_STEPS,
    costs,
    kept,
    result,
    searched,
)
from tests.acceptance.search.training import accuracy, first_weights, train_float
from tests.acceptance.search.voices import decide
from tinyml.architecture import Geometry
from tinyml.compiler.cost import NetworkCost
from tinyml.models import ds_cnn, temporal_resnet
from tinyml.nas.hand_made import WIDTHS, cost_of, within

GEOMETRY = Geometry(49, 40, 1, 20.0)
"""The template's own: hand-made networks are made for it."""
MAKERS = {"ds_cnn": (ds_cnn, (4, 5, 6, 7)), "temporal_resnet": (temporal_resnet, (2, 3, 4))}


@dataclass(frozen=True)
class HandMade:
    """A network of `arch` at a width and a depth."""

    arch: str
    width_mult: float
    depth: int

    @property
    def geometry(self) -> Geometry:
        return GEOMETRY

    def build(self, seed: int) -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return MAKERS[self.arch][0](GEOMETRY.shape[:2], CLASSES, width_mult=self.width_mult, depth=self.depth)

    def cost(self) -> NetworkCost:
        """As the compiler has it, for one fixed draw of the weights: scales decide between kernels here and there."""
        return cost_of(self.build(0), (1, *GEOMETRY.shape[:2]), searched(GEOMETRY).features.quant, costs().isa)


def reference() -> NetworkCost:
    """What the template's own DS-CNN costs."""
    return HandMade("ds_cnn", 1.0, 5).cost()


def limits() -> dict[str, NetworkCost]:
    """The two costs at which networks are compared: the template's DS-CNN's, and 40 % less of cycles and arena."""
    full = reference()
    tight = {name: int(TIGHT_SHARE * value) for name, value in asdict(full).items()}
    return {"full": full, "tight": NetworkCost(**tight)}


def candidates(limit: NetworkCost) -> Iterator[tuple[HandMade, NetworkCost]]:
    """Of every kind and depth the widest network that fits."""
    for arch, (_, depths) in MAKERS.items():
        for depth in depths:
            networks = (HandMade(arch, width, depth) for width in WIDTHS)
            able = ((n, cost) for n in networks if within(cost := n.cost(), limit))
            if widest := next(able, None):
                yield widest


def best(limit: str) -> HandMade:
    """What `choose` has found for a limit."""
    return HandMade(**result("baselines")[limit]["best"]["network"])


def choose() -> dict[str, Any]:
    """For each limit the candidates; of those that do best on the fitness windows, the best on voices not heard."""
    found: dict[str, Any] = {}
    for name, limit in limits().items():
        able = list(candidates(limit))
        own = iter(Parallel(2)(delayed(alone)(network, seed) for network, _ in able for seed in SEEDS))
        shared = {network: mean(next(own) for _ in SEEDS) for network, _ in able}
        last = decide(shared)
        rows = {network: {"network": asdict(network), "cost": asdict(cost), "accuracy": shared[network],
                          "voices": last.accuracies.get(network)} for network, cost in able}  # fmt: skip
        found[name] = {"limit": asdict(limit), "candidates": list(rows.values()), "best": rows[last.winner]}
    return found


def alone(network: HandMade, seed: int) -> float:
    """Accuracy on the fitness windows."""
    chosen = searched(GEOMETRY)
    return kept("hand-made", (network, first_weights(network.build, seed), TRAIN_STEPS, seed),
                lambda: accuracy(train_float(network.build, chosen, seed, TRAIN_STEPS), chosen))  # fmt: skip
