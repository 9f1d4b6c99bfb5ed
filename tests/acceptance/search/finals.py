"""The networks that a product would ship: searched and hand-made at the same cost, on voices never heard."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from joblib import Parallel, delayed

from tests.acceptance.search.baselines import HandMade
from tests.acceptance.search.choice import chosen, teachers
from tests.acceptance.search.lessons import lessons, trained
from tests.acceptance.search.setting import FINAL_STEPS, QAT_STEPS, SEEDS, kept, result, rotation, spoken
from tests.acceptance.search.training import Network, first_weights, judged, train_float


def contenders() -> dict[str, Network]:
    """By "limit/kind"; all are trained from scratch by one recipe."""
    made: dict[str, Network] = {}
    for limit in ("full", "tight"):
        made[f"{limit}/searched"] = chosen(limit)
        made[f"{limit}/hand-made"] = HandMade(**result("baselines")[limit]["best"]["network"])
    return made


def judge(speaker: str) -> dict[str, Any]:
    """All contenders in one rotation, three seeds each, trained on the labels."""
    return _judged(speaker, contenders(), {})


def judge_taught(speaker: str) -> dict[str, Any]:
    """All contenders once more, taught; those of an input have the same teachers, whether searched or hand-made."""
    pupils = contenders()
    taught_by = {network: teachers(network.geometry) for network in pupils.values()}
    examine(pupils.values(), speaker)
    all_teachers = {teacher for found in taught_by.values() for teacher in found}
    Parallel(2)(delayed(teacher_in)(speaker, network) for network in sorted(all_teachers, key=repr))
    return _judged(speaker, pupils, taught_by)


def _judged(
    speaker: str, pupils: Mapping[str, Network], taught_by: Mapping[Network, Sequence[Network]]
) -> dict[str, Any]:
    examine(pupils.values(), speaker)
    jobs = [(name, seed) for seed in SEEDS for name in pupils]
    found = Parallel(2)(delayed(one)(network := pupils[name], speaker, seed, taught_by.get(network, ()))
                        for name, seed in jobs)  # fmt: skip
    return {f"{name}/{seed}": row for (name, seed), row in zip(jobs, found, strict=True)}


def examine(networks: Iterable[Network], speaker: str) -> None:
    """Make the rotation's examples: here, for workers cannot start processes of their own."""
    for network in networks:
        for split in ("train", "val", "test"):
            rotation(speaker, network.geometry).examples(split)
        spoken(rotation(speaker, network.geometry))


def teacher_in(speaker: str, network: Network) -> Any:
    return trained(network, rotation(speaker, network.geometry), speaker)


def one(network: Network, speaker: str, seed: int, taught_by: Sequence[Network] = ()) -> dict[str, Any]:
    """One network trained, quantised and judged."""

    def train() -> dict[str, Any]:
        project = rotation(speaker, network.geometry)
        modules = [teacher_in(speaker, teacher) for teacher in taught_by]
        return asdict(judged(train_float(network.build, project, seed, FINAL_STEPS, modules), project, seed))

    key = (network, first_weights(network.build, seed), FINAL_STEPS, QAT_STEPS, speaker, seed)
    return kept("finals", (*key, lessons(taught_by)) if taught_by else key, train)
