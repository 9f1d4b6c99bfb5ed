"""A search without networks: a small space, costs by formula, accuracies by formula. Importable by worker processes."""

from __future__ import annotations

import os
import signal
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import exp, prod
from pathlib import Path
from typing import Any

import numpy as np

from tinyml.architecture import Geometry
from tinyml.compiler.cost import NetworkCost
from tinyml.nas.budget import Budget
from tinyml.nas.evaluation import Evaluator, Fitness
from tinyml.nas.space import (
    INVERTED_RESIDUAL,
    SEPARABLE,
    Genome,
    SearchSpace,
    StageSpec,
    StemSpec,
    architecture,
)  # fmt: skip

KERNELS = ((3, 3), (5, 5), (7, 7))
SPACE = SearchSpace(
    "toy", INVERTED_RESIDUAL, (Geometry(32, 32, 3), Geometry(48, 48, 3)), (0.5, 0.75, 1.0),
    StemSpec(16, ((3, 3),), (2, 2)),
    (StageSpec(16, (1, 1), (1, 2, 3), KERNELS, (1.0, 3.0, 6.0), True),
     StageSpec(32, (2, 2), (1, 2, 3), KERNELS, (3.0, 4.0, 6.0), True),
     StageSpec(64, (2, 2), (1, 2, 3), KERNELS, (3.0, 4.0, 6.0), True)),
)  # fmt: skip
TINY = SearchSpace(
    "tiny", SEPARABLE, (Geometry(16, 16, 1),), (0.5, 1.0), StemSpec(8, ((3, 3),), (2, 2)),
    (StageSpec(8, (1, 1), (1, 2), ((3, 3), (5, 5)), (1.0, 2.0), False),),
)  # fmt: skip
"""24 genomes: two widths, two expansions, and 2 kernels of one block or 4 of two."""

BUDGETS = (Budget(55_000, 70_000, 9_000_000), Budget(55_000, 70_000, 9_000_000))
"""Per geometry of `SPACE`; not quite half of it fits."""
ROOMY = (Budget(10**9, 10**9),) * 2


@cache
def cost_in(space: SearchSpace, genome: Genome) -> NetworkCost:
    network = architecture(space, genome, 4)
    arena = max(2 * prod(layer.shape) for layer in network.layers if len(layer.shape) == 3)
    return NetworkCost(network.macs, 2 * network.macs, arena, 8000 + 300 * len(network.layers), network.weights)


def cost(genome: Genome) -> NetworkCost:
    return cost_in(SPACE, genome)


def tiny_cost(genome: Genome) -> NetworkCost:
    return cost_in(TINY, genome)


@dataclass(frozen=True)
class Landscape:
    """Accuracy grows with MACs and saturates; every gene and pair of neighbouring genes has its own effect, drawn by
    `number`, and every genome its own noise, all scaled by `roughness`. In steps of 0.001, as on 1000 examples."""

    number: int = 0
    roughness: float = 1.0

    def __call__(self, genome: Genome) -> float:
        genes: list[tuple[object, ...]] = [("space", genome.geometry, genome.width)]
        genes += [("depth", *item) for item in enumerate(genome.depths)]
        for name, stages in (("kernel", genome.kernels), ("expansion", genome.expansions)):
            genes += [(name, stage, *item) for stage, blocks in enumerate(stages) for item in enumerate(blocks)]
        alone, pairs = sum(map(self._drawn, genes)), sum(map(self._drawn, zip(genes, genes[1:], strict=False)))
        effect = 0.01 * alone + 0.007 * pairs + 0.008 * self._drawn(genome)
        return round(min(0.99, 0.5 + 0.35 * (1 - exp(-cost(genome).macs / 2.5e6)) + self.roughness * effect), 3)

    def _drawn(self, what: object) -> float:
        return _normal(self.number, repr(what))


@cache
def _normal(number: int, what: str) -> float:
    return float(np.random.default_rng([number, zlib.crc32(what.encode())]).normal())


@dataclass(frozen=True)
class Deadly:
    """`Landscape()`, but the process that evaluates `victim` is killed, the first `times` times; `folder` counts."""

    victim: Genome
    folder: Path
    times: int

    def __call__(self, genome: Genome) -> float:
        if genome == self.victim:
            deaths = len(list(self.folder.glob("death*")))
            if deaths < self.times:
                (self.folder / f"death{deaths}").touch()
                os.kill(os.getpid(), signal.SIGKILL)
        return Landscape()(genome)


@dataclass(frozen=True)
class Failing:
    """An evaluation that raises."""

    victim: Genome

    def __call__(self, genome: Genome) -> float:
        if genome == self.victim:
            raise FloatingPointError("no such accuracy")
        return Landscape()(genome)


def evaluate_all(fitness: Fitness, genomes: Sequence[Genome], **settings: Any) -> list[float]:
    """`Evaluator` for a single list."""
    with Evaluator(fitness, **settings) as evaluate:
        return evaluate(genomes)
