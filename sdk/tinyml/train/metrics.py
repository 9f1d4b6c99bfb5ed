"""Accuracy, confusion and per-class recall of a network over a feature set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import nn

from tinyml.ir.tensor import QuantParams


class Examples(Protocol):
    """What training needs of a `data.FeatureSet`: int8 windows [N, frames, mel_bins], class indices [N], names.

    Images are int8 or uint8 [N, H, W, C].
    """

    x: np.ndarray
    y: np.ndarray
    labels: Sequence[str]


@dataclass(frozen=True)
class Metrics:
    """`confusion[true, predicted]` counts; shares are in [0, 1], NaN for a class without examples."""

    accuracy: float
    confusion: np.ndarray
    labels: tuple[str, ...]

    @classmethod
    def of(cls, confusion: np.ndarray, labels: Sequence[str]) -> Metrics:
        return cls(float(np.trace(confusion) / max(1, confusion.sum())), confusion, tuple(labels))

    @property
    def recall(self) -> dict[str, float]:
        """Share of each class's examples that are recognised."""
        totals, hits = self.confusion.sum(axis=1).tolist(), np.diag(self.confusion).tolist()
        return {n: h / t if t else float("nan") for n, h, t in zip(self.labels, hits, totals, strict=True)}


def input_shape(x: np.ndarray) -> tuple[int, int, int]:
    """[C, H, W] of the float network's input for examples [N, frames, mel_bins] or [N, H, W, C]."""
    return (1, *x.shape[1:]) if x.ndim == 3 else (x.shape[3], *x.shape[1:3])


def dequantize(x: np.ndarray, quant: QuantParams) -> torch.Tensor:
    """int8 windows [N, frames, mel_bins] as the float network's input [N, 1, frames, mel_bins] (dB).

    Images [N, H, W, C] become [N, C, H, W].
    """
    values = torch.from_numpy(np.ascontiguousarray(x)).to(torch.float32)
    values = (values - quant.zero_point) * quant.scale
    return values[:, None] if x.ndim == 3 else values.permute(0, 3, 1, 2)


def predict(module: nn.Module, x: np.ndarray, *, input_quant: QuantParams, batch_size: int = 256) -> np.ndarray:
    """Logits float32 [N, classes] of int8 windows [N, frames, mel_bins], in evaluation mode."""
    training = module.training
    module.eval()
    try:
        with torch.no_grad():
            parts = [module(dequantize(x[i : i + batch_size], input_quant)) for i in range(0, len(x), batch_size)]
    finally:
        module.train(training)
    return torch.cat(parts).numpy() if parts else np.zeros((0, 0), np.float32)


def evaluate(module: nn.Module, examples: Examples, *, input_quant: QuantParams, batch_size: int = 256) -> Metrics:
    """Metrics of a float or quantised network. Raises: ValueError for an empty set."""
    if not len(examples.x):
        raise ValueError("there is nothing to evaluate on")
    logits = predict(module, examples.x, input_quant=input_quant, batch_size=batch_size)
    return confusion_metrics(np.asarray(examples.y), logits.argmax(axis=1), examples.labels)


def confusion_metrics(truth: np.ndarray, decided: np.ndarray, labels: Sequence[str]) -> Metrics:
    """Metrics of class decisions, both int [N]."""
    confusion = np.zeros((len(labels), len(labels)), np.int64)
    np.add.at(confusion, (truth, decided), 1)
    return Metrics.of(confusion, labels)
