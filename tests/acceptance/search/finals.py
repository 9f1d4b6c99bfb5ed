"""The networks that a product would ship: searched and hand-made at the same cost, on voices never heard."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from joblib import Parallel, delayed

from tests.acceptance.search import choice
from tests.acceptance.search.baselines import HandMade
from tests.acceptance.search.setting import FINAL_STEPS, QAT_STEPS, SEEDS, kept, result, rotation, spoken
from tests.acceptance.search.training import first_weights, judged, train_float
from tests.acceptance.search.voices import Network


def contenders() -> dict[str, Network]:
    """By "limit/kind"; all are trained from scratch by one recipe."""
    made: dict[str, Network] = {}
    for limit in ("full", "tight"):
        made[f"{limit}/searched"] = choice.chosen(limit)
        made[f"{limit}/hand-made"] = HandMade(**result("baselines")[limit]["best"]["network"])
    return made


def judge(speaker: str) -> dict[str, Any]:
    """All contenders in one rotation, three seeds each."""
    finalists = contenders()
    for network in finalists.values():  # here: workers cannot start processes of their own
        for split in ("train", "val", "test"):
            rotation(speaker, network.geometry).examples(split)
        spoken(rotation(speaker, network.geometry))
    jobs = [(name, seed) for seed in SEEDS for name in finalists]
    found = Parallel(2)(delayed(one)(finalists[name], speaker, seed) for name, seed in jobs)
    return {f"{name}/{seed}": row for (name, seed), row in zip(jobs, found, strict=True)}


def one(network: Network, speaker: str, seed: int) -> dict[str, Any]:
    """One network trained, quantised and judged."""

    def train() -> dict[str, Any]:
        project = rotation(speaker, network.geometry)
        return asdict(judged(train_float(network.build, project, seed, FINAL_STEPS), project, seed))

    start = first_weights(network.build, seed)
    return kept("finals", (network, start, FINAL_STEPS, QAT_STEPS, speaker, seed), train)
