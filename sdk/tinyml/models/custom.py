"""A project's own network: `module = "model.py:build"`."""

from __future__ import annotations

import importlib.util
import inspect
import sys
from pathlib import Path

import torch
from torch import nn

from tinyml.errors import ProjectError
from tinyml.models.trace import trace_layers


def load_module(
    project_dir: Path, reference: str, input_shape: tuple[int, int] = (49, 40), classes: int = 12, *, seed: int = 0
) -> nn.Module:
    """Build the network that `reference` names ("FILE.py:FUNCTION", relative to `project_dir`), weights from `seed`.

    The function is called as `build(input_shape=(frames, mel_bins), classes=N)` and returns an `nn.Module` for
    float [B, 1, frames, mel_bins] whose layers are all in `SUPPORTED`; both are checked here.
    Raises: ProjectError.
    """
    function = _function(reference, project_dir)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            module = function(input_shape=input_shape, classes=classes)
    except Exception as error:  # the project's code may raise anything
        raise ProjectError(f"`{reference}` failed: {type(error).__name__}: {error}") from error
    if not isinstance(module, nn.Module):
        raise ProjectError(f"`{reference}` returned {type(module).__name__}, not an nn.Module")
    last = trace_layers(module, (1, *input_shape))[-1]
    if last.shape != (classes,):
        raise ProjectError(
            f"`{reference}` gives {last.shape[0]} scores, the project has {classes} classes",
            hint="end the network with Linear(..., classes)",
        )
    return module


def _function(reference: str, project_dir: Path):  # noqa: ANN202 - any callable of the project
    file, _, name = reference.partition(":")
    path = project_dir / file
    if not name or path.suffix != ".py":
        raise ProjectError(f"`{reference}` is not of the form model.py:build", hint='set module = "model.py:build"')
    if not path.is_file():
        raise ProjectError(f"the network's file {path} does not exist", hint=f"create it with a function `{name}`")
    spec = importlib.util.spec_from_file_location(f"_project_{path.stem}", path)
    loaded = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(project_dir))
    try:
        spec.loader.exec_module(loaded)
    except Exception as error:
        raise ProjectError(f"{file} cannot be imported: {type(error).__name__}: {error}") from error
    finally:
        sys.path.remove(str(project_dir))
    function = getattr(loaded, name, None)
    if not callable(function):
        raise ProjectError(f"{file} has no function `{name}`")
    accepted = inspect.signature(function).parameters
    if not {"input_shape", "classes"} <= set(accepted) and not any(p.kind is p.VAR_KEYWORD for p in accepted.values()):
        raise ProjectError(f"`{reference}` must accept `input_shape` and `classes`",
                           hint=f"def {name}(input_shape, classes): ...")  # fmt: skip
    return function
