"""One supernet per seed, covering all spaces, and what its weights are worth."""

from __future__ import annotations

import time
from typing import Any

from tests.acceptance.search.setting import CLASSES, COUNTS, WORK, bars, searched, space
from tinyml.nas.fitness import Fitness
from tinyml.nas.search import calibration_part
from tinyml.nas.supernet_training import WEIGHTS, train_supernet


def train(seed: int) -> dict[str, Any]:
    """Train the supernet of a seed on the search rotation."""
    train, judge = {}, fitness(seed)
    for index, geometry in enumerate(space().geometries):
        train[index] = searched(geometry).examples("train")
        calibration_part(train[index]).save(judge.calibration[index])
        searched(geometry).examples("val").save(judge.examples[index])
    started = time.monotonic()
    losses = train_supernet(
        space(), CLASSES, space().spaces, train, counts=COUNTS, seed=seed, input_quant=judge.input_quant,
        checkpoint_dir=judge.weights.parent, progress=bars(),
    )  # fmt: skip
    return {"seconds": time.monotonic() - started, "losses": losses}


def fitness(seed: int) -> Fitness:
    """Accuracy on the search rotation's validation windows with the weights of that seed's supernet."""
    folder = WORK / "examples"
    indices = range(len(space().geometries))
    quant = searched(space().geometries[0]).features.quant
    return Fitness(
        space(), CLASSES, space().spaces, quant, WORK / f"supernet-{seed}" / WEIGHTS,
        {g: folder / f"calibration-{g}.npz" for g in indices}, {g: folder / f"fitness-{g}.npz" for g in indices},
    )  # fmt: skip
