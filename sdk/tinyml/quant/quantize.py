"""Quantisation-aware training: from a float network to an int8 graph that decides as it does.

The float network teaches its own int8 version: the loss is the distance between their class probabilities, with
a share of the true labels. The ranges are observed once, before the first step.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from tinyml.errors import Progress, ProjectError, no_progress
from tinyml.ir.graph import Graph
from tinyml.ir.tensor import QuantParams
from tinyml.quant.lower import lower
from tinyml.quant.network import QatNetwork
from tinyml.train.augment import Augment, AugmentConfig
from tinyml.train.checkpoint import Checkpoints
from tinyml.train.config import TrainConfig
from tinyml.train.loop import check_examples, reproducible, run_key, train_steps
from tinyml.train.metrics import Examples, confusion_metrics, dequantize, input_shape, predict


@dataclass(frozen=True)
class QuantConfig:
    """`steps` of quantisation-aware training (0: ranges only); `label_share`: weight of the true labels in the loss."""

    steps: int = 150
    batch_size: int = 128
    learning_rate: float = 5e-4
    label_share: float = 0.1
    calibration_windows: int = 1024
    augment: Augment = AugmentConfig()
    seed: int = 0
    checkpoint_every: int = 50
    threads: int = 1

    def __post_init__(self) -> None:
        """Raises: ProjectError for a value outside its range."""
        if self.steps < 0 or self.calibration_windows < 1 or not 0 <= self.label_share <= 1:
            raise ProjectError("quant needs steps >= 0, calibration_windows >= 1 and a label_share of 0 to 1",
                               hint="correct [quant] in tinyml.toml")  # fmt: skip
        self.training()

    def training(self) -> TrainConfig:
        """The same as options of the training loop."""
        return TrainConfig(
            steps=max(1, self.steps), batch_size=self.batch_size, learning_rate=self.learning_rate, weight_decay=0.0,
            augment=self.augment, seed=self.seed, checkpoint_every=self.checkpoint_every, threads=self.threads,
        )  # fmt: skip


@dataclass(frozen=True)
class QuantResult:
    """`report`: float_accuracy, int8_accuracy and agreement on the validation set, history of the loss (JSON-able)."""

    qat_module: QatNetwork
    graph: Graph
    report: dict[str, Any]


def quantize(
    model: nn.Module, train: Examples, val: Examples, config: QuantConfig = QuantConfig(), *, input_quant: QuantParams,
    checkpoint_dir: Path | None = None, progress: Progress = no_progress, name: str = "model",
) -> QuantResult:  # fmt: skip
    """Make the int8 graph of a trained float network; `model` itself is not changed.

    Resumable like `fit`. Raises: ProjectError for layers that cannot be lowered, empty sets, an unwritable disk.
    """
    check_examples(train, "training")
    check_examples(val, "validation")
    teacher = copy.deepcopy(model).eval()
    with reproducible(config.threads):
        network = QatNetwork.of(teacher, input_quant, input_shape(train.x))
        network.calibrate(_calibration_batches(train, config, input_quant))
        history = _distil(network, teacher, train, config, input_quant, checkpoint_dir, progress)
        network.eval()
        report = _report(teacher, network, val, input_quant) | {"history": history, "steps": config.steps}
    return QuantResult(network, lower(network, name=name), report)


def _calibration_batches(train: Examples, config: QuantConfig, quant: QuantParams) -> Iterator[torch.Tensor]:
    count = min(config.calibration_windows, len(train.x))
    index = np.random.default_rng(config.seed).permutation(len(train.x))[:count]
    for start in range(0, count, 256):
        yield dequantize(train.x[np.sort(index[start : start + 256])], quant)


def _distil(
    network: QatNetwork, teacher: nn.Module, train: Examples, config: QuantConfig, quant: QuantParams,
    checkpoint_dir: Path | None, progress: Progress,
) -> list[float]:  # fmt: skip
    if not config.steps:
        return []

    def loss(logits: torch.Tensor, x: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            taught = functional.softmax(teacher(x), dim=1)
        return functional.cross_entropy(logits, (1 - config.label_share) * taught + config.label_share * targets)

    checkpoints = None
    if checkpoint_dir is not None:
        weights = [(k, float(v.double().sum())) for k, v in network.state_dict().items()]
        key = run_key(config.training(), train, quant, config.label_share, config.calibration_windows, weights)
        checkpoints = Checkpoints(checkpoint_dir / "qat.ckpt", key)
    return train_steps(network, train, loss, config.training(), input_quant=quant, checkpoints=checkpoints,
                       progress=progress, what="quantisation-aware training")  # fmt: skip


def _report(teacher: nn.Module, network: QatNetwork, val: Examples, quant: QuantParams) -> dict[str, Any]:
    decided = [predict(m, val.x, input_quant=quant).argmax(axis=1) for m in (teacher, network)]
    truth = np.asarray(val.y)
    accuracy = [confusion_metrics(truth, d, val.labels).accuracy for d in decided]
    return {"windows": len(truth), "float_accuracy": accuracy[0], "int8_accuracy": accuracy[1],
            "agreement": float(np.mean(decided[0] == decided[1]))}  # fmt: skip


def save_float_answers(model: nn.Module, examples: Examples, path: Path, *, input_quant: QuantParams) -> None:
    """Write the float network's decisions for `examples` (`predicted`, int64 [N]) beside which int8 is judged."""
    np.savez(path, predicted=predict(model, examples.x, input_quant=input_quant).argmax(axis=1))
