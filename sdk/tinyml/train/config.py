"""How a network is trained; the defaults are the recipe of the keyword-spotting template."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, pi

from tinyml.errors import ProjectError
from tinyml.train.augment import Augment, AugmentConfig


@dataclass(frozen=True)
class TrainConfig:
    """AdamW under a one-cycle schedule (linear warm-up, cosine to zero). `steps` are batches, not epochs.

    `weight_average`: decay per step of the averaged weights that become the result (0: the last weights).
    `checkpoint_every` is in steps. One thread is the default: on two, training was two to six times slower
    whenever the machine had other work, for its barriers wait for the slower one.
    """

    steps: int = 900
    batch_size: int = 128
    learning_rate: float = 1e-2
    weight_decay: float = 0.02
    warmup: float = 0.1
    label_smoothing: float = 0.1
    mixup: float = 0.2
    weight_average: float = 0.0
    augment: Augment = AugmentConfig()
    seed: int = 0
    checkpoint_every: int = 50
    threads: int = 1

    def __post_init__(self) -> None:
        """Raises: ProjectError for a value outside its range."""
        limits = {
            "steps": (1, 10**7), "batch_size": (2, 65536), "learning_rate": (1e-9, 10.0), "weight_decay": (0.0, 1.0),
            "warmup": (0.0, 0.9), "label_smoothing": (0.0, 0.9), "mixup": (0.0, 1.0), "weight_average": (0.0, 0.9999),
            "checkpoint_every": (1, 10**7), "threads": (1, 1024),
        }  # fmt: skip
        for name, (low, high) in limits.items():
            if not low <= getattr(self, name) <= high:
                raise ProjectError(f"train.{name} = {getattr(self, name)} is outside {low:g} to {high:g}",
                                   hint="correct [train] in tinyml.toml")  # fmt: skip

    def rate(self, step: int) -> float:
        """Learning rate of step `step` in [0, steps)."""
        rise = self.warmup * self.steps
        if step < rise:
            return self.learning_rate * (step + 1) / (rise + 1)
        return self.learning_rate * 0.5 * (1 + cos(pi * (step - rise) / (self.steps - rise)))
