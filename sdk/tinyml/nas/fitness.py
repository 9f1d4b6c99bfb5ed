"""`Fitness`: how accurate a network of a trained supernet is, for searches that ask it in many processes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch

from tinyml.data.feature_set import FeatureSet
from tinyml.errors import ProjectError
from tinyml.ir.tensor import QuantParams
from tinyml.models.searched import SearchedNet
from tinyml.nas.recalibrate import calibration_batches, recalibrate
from tinyml.nas.space import Genome, SearchSpace, Space
from tinyml.nas.supernet import Supernet
from tinyml.nas.supernet_training import load_supernet
from tinyml.train.loop import reproducible
from tinyml.train.metrics import evaluate


@dataclass(frozen=True)
class Fitness:
    """Accuracy on the fitness examples with weights of the supernet, batch norms recalibrated.

    Holds paths only, so it is cheap to send to another process; every process loads each file once. `weights` is what
    `train_supernet` wrote for the same `space`, `classes` and `within`; `calibration` (training examples) and
    `examples` (those judged on) are per geometry files of a `FeatureSet`.
    """

    space: SearchSpace
    classes: int
    within: tuple[Space, ...]
    input_quant: QuantParams
    weights: Path
    calibration: Mapping[int, Path]
    examples: Mapping[int, Path]

    def __call__(self, genome: Genome) -> float:
        """In [0, 1]; depends on the files and the genome alone. Raises: ProjectError for files that are damaged."""
        with reproducible(1):
            module = self._subnet(genome)
            judged = _examples(*_state(self.examples[genome.geometry]))
            return evaluate(module, judged, input_quant=self.input_quant).accuracy

    def subnet(self, genome: Genome) -> SearchedNet:
        """The recalibrated network with weights of its own, in evaluation mode."""
        with reproducible(1):
            return self._subnet(genome)

    def _subnet(self, genome: Genome) -> SearchedNet:
        supernet = _supernet(self.space, self.classes, self.within, *_state(self.weights))
        module = supernet.subnet(genome).to(memory_format=torch.channels_last)
        batches = _batches(self.input_quant, *_state(self.calibration[genome.geometry]))
        recalibrate(module, batches)
        return module


def _state(path: Path) -> tuple[Path, int, int]:
    """A file, and what tells that it was written anew."""
    try:
        stat = Path(path).stat()
    except OSError as error:
        raise ProjectError(f"{path}, which candidates are judged with, cannot be read: {error.strerror}",
                           hint="run `tinyml search` again") from error  # fmt: skip
    return Path(path), stat.st_mtime_ns, stat.st_size


@lru_cache(maxsize=2)
def _supernet(
    space: SearchSpace, classes: int, within: tuple[Space, ...], path: Path, written: int, size: int
) -> Supernet:
    return load_supernet(space, classes, within, path)


@lru_cache(maxsize=32)
def _batches(input_quant: QuantParams, path: Path, written: int, size: int) -> list[torch.Tensor]:
    return calibration_batches(FeatureSet.load(path).x, input_quant)


@lru_cache(maxsize=32)
def _examples(path: Path, written: int, size: int) -> FeatureSet:
    return FeatureSet.load(path)
