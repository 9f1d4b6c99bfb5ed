"""Accuracy of the int8 network on held-out windows, through the host build of its C, beside the float network."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tinyml.compiler import Compiled, HostModel
from tinyml.data import FeatureSet
from tinyml.errors import Progress, no_progress

WORST_MISTAKES = 12


@dataclass(frozen=True)
class Mistake:
    """A window that was taken for something else. `features` int8 [frames, bins], `probability` of `predicted`."""

    features: np.ndarray
    label: str
    predicted: str
    probability: float


@dataclass(frozen=True)
class Evaluation:
    """Counts over held-out windows; `confusion[true, predicted]`."""

    labels: tuple[str, ...]
    confusion: np.ndarray
    float_accuracy: float
    agreement: float
    mistakes: tuple[Mistake, ...]

    @property
    def windows(self) -> int:
        return int(self.confusion.sum())

    @property
    def int8_accuracy(self) -> float:
        return float(np.trace(self.confusion) / self.windows)

    def per_class(self) -> list[tuple[str, float, int]]:
        """(label, recall, windows) of every class that occurs."""
        totals = self.confusion.sum(axis=1)
        return [(label, float(self.confusion[i, i] / n), int(n))
                for i, (label, n) in enumerate(zip(self.labels, totals, strict=True)) if n]  # fmt: skip

    def summary(self) -> dict[str, object]:
        return {"windows": self.windows, "int8_accuracy": self.int8_accuracy, "float_accuracy": self.float_accuracy,
                "agreement": self.agreement, "labels": self.labels, "confusion": self.confusion}  # fmt: skip

    def save(self, folder: Path) -> None:
        summary = self.summary() | {"confusion": self.confusion.tolist()}
        (folder / "evaluation.json").write_text(json.dumps(summary, indent=1))
        np.savez_compressed(
            folder / "mistakes.npz", features=np.array([m.features for m in self.mistakes], np.int8),
            label=[m.label for m in self.mistakes], predicted=[m.predicted for m in self.mistakes],
            probability=[m.probability for m in self.mistakes],
        )  # fmt: skip

    @classmethod
    def load(cls, folder: Path) -> Evaluation:
        summary = json.loads((folder / "evaluation.json").read_text())
        with np.load(folder / "mistakes.npz") as m:
            rows = zip(m["features"], m["label"], m["predicted"], m["probability"], strict=True)
            mistakes = tuple(Mistake(f, str(a), str(b), float(p)) for f, a, b, p in rows)
        return cls(tuple(summary["labels"]), np.array(summary["confusion"]), summary["float_accuracy"],
                   summary["agreement"], mistakes)  # fmt: skip


def evaluate(
    compiled: Compiled, test: FeatureSet, float_answers: Path, *, progress: Progress = no_progress
) -> Evaluation:
    """Run every window of `test` through the C network. `float_answers` holds the float network's class indices."""
    model = HostModel(compiled)
    probabilities = np.empty((len(test.y), len(test.labels)), np.int16)
    for i, window in enumerate(test.x):
        probabilities[i] = model.invoke(window[None, :, :, None]).ravel().astype(np.int16) + 128
        if i % 100 == 99:
            progress("int8 evaluation", i + 1, len(test.y))
    predicted = probabilities.argmax(axis=1)
    with np.load(float_answers) as answers:
        float_predicted = answers["predicted"]
    confusion = np.zeros((len(test.labels), len(test.labels)), np.int64)
    np.add.at(confusion, (test.y, predicted), 1)
    return Evaluation(
        tuple(test.labels), confusion, float(np.mean(float_predicted == test.y)),
        float(np.mean(float_predicted == predicted)), _worst(test, probabilities, predicted),
    )  # fmt: skip


def _worst(test: FeatureSet, probabilities: np.ndarray, predicted: np.ndarray) -> tuple[Mistake, ...]:
    """The mistakes made with most confidence."""
    wrong = np.flatnonzero(predicted != test.y)
    sure = probabilities[wrong, predicted[wrong]]
    order = wrong[np.argsort(-sure, kind="stable")][:WORST_MISTAKES]
    return tuple(Mistake(test.x[i], test.labels[test.y[i]], test.labels[predicted[i]],
                         float(probabilities[i, predicted[i]] / 256)) for i in order)  # fmt: skip
