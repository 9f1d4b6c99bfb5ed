"""Does the supernet rank networks as training them does? Kendall's tau over networks spread over its accuracies."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from pydantic import TypeAdapter
from scipy.stats import kendalltau

from tests.acceptance.search.searches import alone
from tests.acceptance.search.setting import CLASSES, SEEDS, result, space
from tests.acceptance.search.supernets import fitness
from tinyml.nas.space import Genome, architecture, sample

NETWORKS, DRAWN, RESAMPLES = 16, 200, 10_000
_GENOME = TypeAdapter(Genome)


def networks() -> list[Genome]:
    """Sixteen networks of all sizes: evenly spread over the logarithm of the MACs of many drawn ones."""
    rng = np.random.default_rng(0)
    drawn = sorted((sample(space(), rng) for _ in range(DRAWN)), key=macs)
    sizes = np.log([macs(genome) for genome in drawn])
    wanted = np.linspace(sizes[0], sizes[-1], NETWORKS)
    return [drawn[i] for i in sorted({int(np.abs(sizes - size).argmin()) for size in wanted})]


def macs(genome: Genome) -> int:
    return architecture(space(), genome, CLASSES).macs


def train() -> dict[str, Any]:
    """Accuracies of the networks trained by themselves (seed 0)."""
    chosen = networks()
    found = Parallel(2)(delayed(alone)(genome, 0) for genome in chosen)
    return {"genomes": [asdict(g) for g in chosen], "alone": found}


def correlate() -> dict[str, Any]:
    """Kendall's tau of every seed's supernet, with a bootstrap interval over the networks."""
    trained = result("ranking-alone")
    genomes, own = [_GENOME.validate_python(g) for g in trained["genomes"]], np.array(trained["alone"])
    rows = {}
    for seed in SEEDS:
        judge = fitness(seed)
        shared = np.array(Parallel(2)(delayed(judge)(genome) for genome in genomes))
        rows[str(seed)] = {"supernet": shared.tolist(), "tau": tau(shared, own),
                           "interval": interval(shared, own, seed)}  # fmt: skip
    return {"spread": float(own.max() - own.min()), "seeds": rows}


def tau(shared: np.ndarray, own: np.ndarray) -> float:
    return float(kendalltau(shared, own).statistic)


def interval(shared: np.ndarray, own: np.ndarray, seed: int) -> tuple[float, float]:
    """95 % of the taus of networks drawn with replacement."""
    rng = np.random.default_rng(seed)
    drawn = (rng.integers(len(own), size=len(own)) for _ in range(RESAMPLES))
    low, high = np.nanpercentile([tau(shared[i], own[i]) for i in drawn], [2.5, 97.5])
    return float(low), float(high)
