"""Float training of a network."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import nn

from tinyml.errors import Progress, ProjectError, no_progress
from tinyml.ir.tensor import QuantParams
from tinyml.models.trace import trace_layers
from tinyml.train.checkpoint import Checkpoints
from tinyml.train.config import TrainConfig
from tinyml.train.loop import check_examples, reproducible, run_key, train_steps
from tinyml.train.metrics import Examples, Metrics, evaluate, input_shape
from tinyml.train.teaching import Teachers


@dataclass(frozen=True)
class TrainResult:
    """`history`: training loss of every step; `validation`: the trained network on the validation set."""

    history: tuple[float, ...]
    validation: Metrics
    steps: int
    weights: dict[str, torch.Tensor] = field(repr=False, compare=False)

    @property
    def val_accuracy(self) -> float:
        return self.validation.accuracy

    def save(self, folder: Path) -> None:
        """Write `weights.pt` and `training.json` into `folder`. Raises: OSError."""
        buffer = io.BytesIO()  # torch's own file writer reports a full disk as a RuntimeError
        torch.save(self.weights, buffer)
        (folder / "weights.pt").write_bytes(buffer.getbuffer())
        numbers = {"history": self.history, "steps": self.steps, "labels": self.validation.labels,
                   "confusion": self.validation.confusion.tolist()}  # fmt: skip
        (folder / "training.json").write_text(json.dumps(numbers))

    @classmethod
    def load(cls, folder: Path) -> TrainResult:
        """What `save` wrote."""
        numbers = json.loads((folder / "training.json").read_text())
        confusion = np.array(numbers["confusion"], np.int64)
        return cls(tuple(numbers["history"]), Metrics.of(confusion, numbers["labels"]), numbers["steps"],
                   torch.load(folder / "weights.pt", weights_only=True))  # fmt: skip

    def restore(self, model: nn.Module) -> nn.Module:
        """`model`, a fresh network of the trained architecture, with the trained weights. Raises: ProjectError."""
        try:
            model.load_state_dict(self.weights)
        except RuntimeError as error:
            raise ProjectError("the trained weights belong to another network", hint="run `tinyml train`") from error
        return model.eval()


def fit(
    model: nn.Module, train: Examples, val: Examples, config: TrainConfig = TrainConfig(), *, input_quant: QuantParams,
    checkpoint_dir: Path | None = None, progress: Progress = no_progress, teachers: Sequence[nn.Module] = (),
) -> TrainResult:  # fmt: skip
    """Train `model` in place on int8 windows whose dB values `input_quant` defines: to give the labels, or, where there
    are `teachers`, trained networks with the same input and classes, to answer as these do in the mean. Teachers are
    put into evaluation mode; their weights stay as they are.

    The result depends on the model's initial weights, the data, the config and the teachers only: a run that was
    killed and called again with the same `checkpoint_dir` ends with the same weights as one that was not.
    Raises: ProjectError for empty sets, layers that the engine cannot run, divergence, or an unwritable disk.
    """
    check_examples(train, "training")
    check_examples(val, "validation")
    trace_layers(model, input_shape(train.x))

    def loss(logits: torch.Tensor, _: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return nn.functional.cross_entropy(logits, targets, label_smoothing=config.label_smoothing)

    if teachers:
        loss = Teachers([teacher.eval().to(memory_format=torch.channels_last) for teacher in teachers]).loss
    with reproducible(config.threads):
        checkpoints = None
        if checkpoint_dir is not None:
            initial = [(k, float(v.double().sum())) for m in (model, *teachers) for k, v in m.state_dict().items()]
            checkpoints = Checkpoints(checkpoint_dir / "float.ckpt", run_key(config, train, input_quant, initial))
        history = train_steps(model, train, loss, config, input_quant=input_quant, checkpoints=checkpoints,
                              progress=progress, what="training")  # fmt: skip
        weights = {name: value.clone() for name, value in model.state_dict().items()}
        return TrainResult(tuple(history), evaluate(model, val, input_quant=input_quant), config.steps, weights)
