"""The networks that a product would ship: searched and hand-made at the same cost, on voices never heard."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from joblib import Parallel, delayed
from pydantic import TypeAdapter
from torch import nn

from tests.acceptance.search.baselines import GEOMETRY, MAKERS, HandMade, limits
from tests.acceptance.search.searches import alone, archive
from tests.acceptance.search.setting import CLASSES, SEEDS, WORK, costs, result, rotation, space, spoken
from tests.acceptance.search.supernets import fitness
from tests.acceptance.search.training import judged, train_float
from tinyml.architecture import Geometry
from tinyml.models import build_architecture
from tinyml.nas.hand_made import within
from tinyml.nas.space import Genome, architecture
from tinyml.storage import write_text

SHORTLIST, TRAINED = 12, 6
_GENOME = TypeAdapter(Genome)


def pick() -> dict[str, Any]:
    """For each limit the searched network: the best of every seed's evolution are judged by all supernets, the best of
    those trained by themselves on the search rotation; the most accurate then is taken."""
    found = {}
    for name, limit in limits().items():
        able = {e.genome: e for seed in SEEDS for e in archive("evolution", seed) if within(e.cost, limit)}
        front = sorted(able.values(), key=lambda e: -e.accuracy)[: SHORTLIST * len(SEEDS)]
        jobs = [(e.genome, seed) for e in front for seed in SEEDS]
        scores = Parallel(2)(delayed(fitness(seed))(genome) for genome, seed in jobs)
        mean = {e.genome: sum(scores[i * len(SEEDS) : (i + 1) * len(SEEDS)]) / len(SEEDS)
                for i, e in enumerate(front)}  # fmt: skip
        short = sorted(mean, key=lambda g: -mean[g])[:TRAINED]
        own = Parallel(2)(delayed(alone)(genome, 0) for genome in short)
        chosen = short[own.index(max(own))]
        found[name] = {"genome": asdict(chosen), "cost": asdict(costs().cost(chosen)), "supernet": mean[chosen],
                       "shortlist": [{"genome": asdict(g), "supernet": mean[g], "alone": a}
                                     for g, a in zip(short, own, strict=True)]}  # fmt: skip
    return found


def contenders() -> dict[str, tuple[Callable[[int], nn.Module], Geometry]]:
    """Every network by "limit/kind", with what builds it for a seed."""
    made: dict[str, tuple[Callable[[int], nn.Module], Geometry]] = {}
    for limit in ("full", "tight"):
        arch = architecture(space(), _GENOME.validate_python(result("pick")[limit]["genome"]), CLASSES)
        made[f"{limit}/searched"] = (lambda seed, arch=arch: build_architecture(arch, seed=seed), arch.geometry)
        for kind in MAKERS:
            best = result("baselines")[limit]["best"][kind]
            if best:
                network = HandMade(**best["network"])
                made[f"{limit}/{kind}"] = (lambda seed, network=network: network.build(), GEOMETRY)
    return made


def judge(speaker: str) -> dict[str, Any]:
    """All contenders in one rotation, three seeds each."""
    for _, geometry in contenders().values():  # here: workers cannot start processes of their own
        for split in ("train", "val", "test"):
            rotation(speaker, geometry).examples(split)
        spoken(rotation(speaker, geometry))
    jobs = [(name, seed) for name in contenders() for seed in SEEDS]
    found = Parallel(2)(delayed(one)(name, speaker, seed) for name, seed in jobs)
    return {f"{name}/{seed}": row for (name, seed), row in zip(jobs, found, strict=True)}


def one(name: str, speaker: str, seed: int) -> dict[str, Any]:
    """One network trained, quantised and judged; kept by itself, so that a killed rotation loses little."""
    path = WORK / "finals" / f"{name.replace('/', '-')}-{speaker}-{seed}.json"
    if not path.is_file():
        build, geometry = contenders()[name]
        project = rotation(speaker, geometry)
        row = asdict(judged(train_float(lambda: build(seed), project, seed), project, seed))
        write_text(path, json.dumps(row))
    return json.loads(path.read_text())
