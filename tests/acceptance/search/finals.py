"""The networks that a product would ship: searched and hand-made at the same cost, on voices never heard."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from itertools import chain
from typing import Any

from joblib import Parallel, delayed
from torch import nn

from tests.acceptance.search.baselines import best
from tests.acceptance.search.choice import chosen, teachers
from tests.acceptance.search.lessons import lessons, trained
from tests.acceptance.search.setting import FINAL_STEPS, QAT_STEPS, SEEDS, kept, rotation, spoken
from tests.acceptance.search.training import Network, first_weights, judged, train_float


def contenders() -> dict[str, Network]:
    """By "limit/kind"; all are trained from scratch by one recipe."""
    made: dict[str, Network] = {}
    for limit in ("full", "tight"):
        made[f"{limit}/searched"] = chosen(limit)
        made[f"{limit}/hand-made"] = best(limit)
    return made


def judge(speaker: str) -> dict[str, Any]:
    """All contenders in one rotation, three seeds each, trained on the labels."""
    return _judged(speaker, contenders(), {})


def judge_taught(speaker: str) -> dict[str, Any]:
    """All contenders once more, taught; those of an input have the same teachers, whether searched or hand-made."""
    pupils = contenders()
    return _judged(speaker, pupils, {network: teachers(network.geometry) for network in pupils.values()})


def _judged(
    speaker: str, pupils: Mapping[str, Network], taught_by: Mapping[Network, Sequence[Network]]
) -> dict[str, Any]:
    make_examples(speaker, pupils.values())
    Parallel(2)(delayed(teacher_in)(speaker, teacher) for teacher in dict.fromkeys(chain(*taught_by.values())))
    jobs = [(name, network, seed) for seed in SEEDS for name, network in pupils.items()]
    found = Parallel(2)(delayed(one)(network, speaker, seed, taught_by.get(network, ())) for _, network, seed in jobs)
    return {f"{name}/{seed}": row for (name, _, seed), row in zip(jobs, found, strict=True)}


def make_examples(speaker: str, networks: Iterable[Network]) -> None:
    """Those of a rotation: here, for workers cannot start processes of their own."""
    for network in networks:
        for split in ("train", "val", "test"):
            rotation(speaker, network.geometry).examples(split)
        spoken(rotation(speaker, network.geometry))


def teacher_in(speaker: str, network: Network) -> nn.Module:
    return trained(network, rotation(speaker, network.geometry), speaker)


def one(network: Network, speaker: str, seed: int, taught_by: Sequence[Network] = ()) -> dict[str, Any]:
    """One network trained, quantised and judged."""

    def train() -> dict[str, Any]:
        project = rotation(speaker, network.geometry)
        modules = [teacher_in(speaker, teacher) for teacher in taught_by]
        return asdict(judged(train_float(network.build, project, seed, FINAL_STEPS, modules), project, seed))

    key = (network, first_weights(network.build, seed), FINAL_STEPS, QAT_STEPS, speaker, seed, *lessons(taught_by))
    return kept("finals", key, train)
