"""The last word on the best candidates: each trained on by itself for a while, then judged again.

Shared weights favour networks that suit being shared: narrow ones, whose channels all others train too. Among the best
candidates, which differ by little, that bias is larger than what they differ by; a training of their own removes it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tinyml.data.feature_set import FeatureSet
from tinyml.nas.fitness import Fitness
from tinyml.nas.record import Evaluated
from tinyml.nas.space import Genome
from tinyml.train import TrainConfig, fit
from tinyml.train.checkpoint import write_tensors

LEARNING_RATE = 4e-3
"""Of the peak: less than from scratch, for the weights are good already."""


@dataclass(frozen=True)
class FineTuned:
    """Accuracy on the fitness examples after `steps` of training that start from the supernet's weights.

    Holds paths, as `Fitness` does; `train` are the training examples per geometry. What was trained is kept in
    `folder`, see `weights_path`.
    """

    fitness: Fitness
    train: Mapping[int, Path]
    folder: Path
    steps: int
    seed: int

    def __call__(self, genome: Genome) -> float:
        """In [0, 1]; depends on the files, the steps, the seed and the genome alone."""
        module = self.fitness.subnet(genome)
        train, judged = (FeatureSet.load(paths[genome.geometry]) for paths in (self.train, self.fitness.examples))
        config = TrainConfig(steps=self.steps, learning_rate=LEARNING_RATE, seed=self.seed)
        result = fit(module, train, judged, config, input_quant=self.fitness.input_quant)
        write_tensors(result.weights, self.weights_path(genome))
        return result.val_accuracy

    def weights_path(self, genome: Genome) -> Path:
        """Where the state of the trained plain module is."""
        return self.folder / f"{hashlib.sha256(repr(genome).encode()).hexdigest()[:16]}.pt"


def finalists(found: Sequence[Evaluated], count: int) -> tuple[Evaluated, ...]:
    """The candidates that are tried once more: the `count` most accurate; of equals those of fewer cycles."""
    return tuple(sorted(found, key=lambda e: (-e.accuracy, e.cost.cycles))[:count])
