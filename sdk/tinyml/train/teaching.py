"""Knowledge distillation: a network learns the answers of others that are trained already.

Sources: Hinton et al., "Distilling the knowledge in a neural network", 2015; Beyer et al., "Knowledge distillation: a
good teacher is patient and consistent", 2022: teachers see the very inputs that the pupil sees, mixed and augmented.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.functional import cross_entropy, softmax

TEMPERATURE = 2.0
"""Divides the logits of teachers and pupil: what a teacher takes for the second and third most likely class counts."""


@dataclass(frozen=True)
class Teachers:
    """Trained networks with the pupil's input and classes, in evaluation mode."""

    modules: Sequence[nn.Module]

    @torch.no_grad()
    def answers(self, x: torch.Tensor) -> torch.Tensor:
        """Probabilities [B, classes] for a batch of inputs: the mean of the teachers' at `TEMPERATURE`."""
        return torch.stack([softmax(module(x) / TEMPERATURE, dim=1) for module in self.modules]).mean(dim=0)

    def loss(self, logits: torch.Tensor, x: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
        """Cross entropy of the pupil's logits [B, classes] against the answers; scaled by the temperature's square,
        which keeps the gradients as large as those of labels."""
        return TEMPERATURE**2 * cross_entropy(logits / TEMPERATURE, self.answers(x))
