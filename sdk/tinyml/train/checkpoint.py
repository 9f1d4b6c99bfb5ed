"""Checkpoints: written whole or not at all, and only resumed by the very run that wrote them."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from tinyml.errors import ProjectError
from tinyml.storage import writing

_FORMAT = 1


def write_tensors(value: Any, path: Path) -> None:
    """Write what `torch.load(path, weights_only=True)` reads, whole or not at all. Raises: ProjectError."""
    buffer = io.BytesIO()  # torch's own file writer reports a full disk as a RuntimeError
    torch.save(value, buffer)
    with writing(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())


@dataclass(frozen=True)
class Checkpoint:
    """The state after `step` steps: tensors of the module, the optimizer and the loop's own."""

    step: int
    module: dict[str, Any]
    optimizer: dict[str, Any]
    extra: dict[str, Any]


@dataclass(frozen=True)
class Checkpoints:
    """One checkpoint file of one run; `key` identifies its configuration and data."""

    path: Path
    key: str

    def save(self, checkpoint: Checkpoint) -> None:
        """Replace the previous checkpoint. Raises: ProjectError when it cannot be written (the previous one stays)."""
        buffer = io.BytesIO()
        torch.save({"format": _FORMAT, "key": self.key, **vars(checkpoint)}, buffer)
        kept = "the previous checkpoint is kept; training goes on from it"
        hint = "free some space and run `tinyml train` again"
        with writing(self.path, details=[kept], hint=hint) as temporary, temporary.open("wb") as file:
            file.write(buffer.getbuffer())
            file.flush()
            os.fsync(file.fileno())

    def load(self) -> Checkpoint | None:
        """The last checkpoint of this very run; None if there is none or it belongs to another one.

        Raises: ProjectError for a file that is no checkpoint.
        """
        if not self.path.is_file():
            return None
        try:
            state = torch.load(self.path, map_location="cpu", weights_only=True)
            if state["format"] != _FORMAT or state["key"] != self.key:
                return None
            return Checkpoint(state["step"], state["module"], state["optimizer"], state["extra"])
        except (OSError, RuntimeError, KeyError, TypeError, ValueError, EOFError, ImportError) as error:
            raise ProjectError(f"{self.path} is not a checkpoint: {error}", hint="delete it and train again") from error
        except Exception as error:  # pickle.UnpicklingError
            raise ProjectError(f"{self.path} is not a checkpoint", hint="delete it and train again") from error
