"""Training that does not start from scratch."""

from __future__ import annotations

import pickle
from pathlib import Path

import torch
from torch import nn

from tinyml.errors import ProjectError


def start_from(model: nn.Module, weights: Path) -> nn.Module:
    """`model` with the state dict of the file `weights`. Raises: ProjectError for a file that does not fit."""
    try:
        model.load_state_dict(torch.load(weights, weights_only=True))
    except (RuntimeError, OSError, TypeError, ValueError, EOFError, pickle.UnpicklingError) as error:
        raise ProjectError(f"{weights} does not hold weights of this network",
                           hint="run `tinyml search --restart`") from error  # fmt: skip
    return model
