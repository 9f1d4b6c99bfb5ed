"""Supernets of the final rotations: what a search would have left behind that had heard these speakers."""

from __future__ import annotations

from tests.acceptance.search.setting import CLASSES, COUNTS, WORK, bars, rotation, space
from tinyml.nas.fitness import Fitness
from tinyml.nas.search import calibration_part
from tinyml.nas.space import Space
from tinyml.nas.supernet_training import WEIGHTS, train_supernet


def train(speaker: str, seed: int, within: tuple[Space, ...]) -> None:
    """Train a supernet of some spaces on what a rotation trains on; one that is trained already is left as it is."""
    judge, train = fitness(speaker, seed, within), {}
    for index, path in judge.calibration.items():
        train[index] = rotation(speaker, space().geometries[index]).examples("train")
        calibration_part(train[index]).save(path)
    train_supernet(space(), CLASSES, within, train, counts=COUNTS, seed=seed, input_quant=judge.input_quant,
                   checkpoint_dir=judge.weights.parent, progress=bars())  # fmt: skip


def fitness(speaker: str, seed: int, within: tuple[Space, ...]) -> Fitness:
    """The networks of that supernet; they are judged by `judged`, not by this."""
    folder = WORK / "rotations" / f"{speaker}-{seed}"
    indices = sorted({geometry for geometry, _ in within})
    quant = rotation(speaker, space().geometries[indices[0]]).features.quant
    return Fitness(space(), CLASSES, within, quant, folder / WEIGHTS,
                   {g: folder / f"calibration-{g}.npz" for g in indices}, {})  # fmt: skip
