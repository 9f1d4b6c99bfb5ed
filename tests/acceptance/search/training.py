"""Networks trained by themselves, all by one recipe."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from tests.acceptance.search.setting import QAT_STEPS, TRAIN_STEPS, bars, spoken
from tinyml.pipeline import Project
from tinyml.quant import QuantConfig, quantize
from tinyml.train import TrainConfig, fit
from tinyml.train.metrics import evaluate, predict


@dataclass(frozen=True)
class Judged:
    """Shares of the held-out speaker's clips that are recognised; `correct`: of the int8 network, clip by clip."""

    float_accuracy: float
    int8_accuracy: float
    correct: list[bool]


def train_float(
    build: Callable[[], nn.Module], project: Project, seed: int, steps: int = TRAIN_STEPS
) -> nn.Module:
    """A network trained on the training windows of `project`."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = build()
    fit(model, project.examples("train"), project.examples("val"), TrainConfig(steps=steps, seed=seed),
        input_quant=project.features.quant, progress=bars())  # fmt: skip
    return model.eval()


def accuracy(model: nn.Module, project: Project) -> float:
    """Share of the validation windows that are recognised."""
    return evaluate(model, project.examples("val"), input_quant=project.features.quant).accuracy


def judged(model: nn.Module, project: Project, seed: int) -> Judged:
    """The network and its int8 version on the speaker that `project` holds out."""
    quant = project.features.quant
    made = quantize(model, project.examples("train"), project.examples("val"), QuantConfig(steps=QAT_STEPS, seed=seed),
                    input_quant=quant, progress=bars())  # fmt: skip
    unseen = spoken(project)
    truth = np.asarray(unseen.y)
    float_hits, int8_hits = (predict(m, unseen.x, input_quant=quant).argmax(axis=1) == truth
                             for m in (model, made.qat_module))  # fmt: skip
    return Judged(float(float_hits.mean()), float(int8_hits.mean()), int8_hits.tolist())
