"""Networks trained by themselves, all by one recipe."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from torch import nn

from tests.acceptance.search.setting import QAT_STEPS, bars, spoken
from tinyml.architecture import Geometry
from tinyml.data import FeatureSet
from tinyml.pipeline import Project
from tinyml.quant import QuantConfig, quantize
from tinyml.train import TrainConfig, fit
from tinyml.train.metrics import evaluate, predict


class Network(Protocol):
    """What can be trained; its `repr` names it."""

    @property
    def geometry(self) -> Geometry: ...

    def build(self, seed: int) -> nn.Module: ...


@dataclass(frozen=True)
class Judged:
    """Shares of the held-out speaker's clips that are recognised; `correct`: of the int8 network, clip by clip."""

    float_accuracy: float
    int8_accuracy: float
    correct: list[bool]


def first_weights(build: Callable[[int], nn.Module], seed: int) -> str:
    """Digest of what a training starts from: with another initialisation it is another training."""
    state = hashlib.sha256()
    for name, tensor in build(seed).state_dict().items():
        state.update(name.encode() + tensor.numpy().tobytes())
    return state.hexdigest()[:16]


def train_float(
    build: Callable[[int], nn.Module], project: Project, seed: int, steps: int, teachers: Sequence[nn.Module] = ()
) -> nn.Module:
    """A network trained on the training windows of `project`; `build(seed)` gives it its first weights."""
    model = build(seed)
    fit(model, project.examples("train"), project.examples("val"), TrainConfig(steps=steps, seed=seed),
        input_quant=project.features.quant, progress=bars(), teachers=teachers)  # fmt: skip
    return model.eval()


def accuracy(model: nn.Module, project: Project) -> float:
    """Share of the validation windows that are recognised."""
    return evaluate(model, project.examples("val"), input_quant=project.features.quant).accuracy


def hits(model: nn.Module, project: Project, unseen: FeatureSet) -> np.ndarray:
    """Which windows are recognised: bool [N]."""
    return predict(model, unseen.x, input_quant=project.features.quant).argmax(axis=1) == np.asarray(unseen.y)


def judged(model: nn.Module, project: Project, seed: int) -> Judged:
    """The network and its int8 version on the speaker that `project` holds out."""
    made = quantize(model, project.examples("train"), project.examples("val"), QuantConfig(steps=QAT_STEPS, seed=seed),
                    input_quant=project.features.quant, progress=bars())  # fmt: skip
    in_float, in_int8 = (hits(m, project, spoken(project)) for m in (model, made.qat_module))
    return Judged(float(in_float.mean()), float(in_int8.mean()), in_int8.tolist())
