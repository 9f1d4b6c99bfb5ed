"""Networks as plain `nn.Module`s: the templates' own, and the loader of a project's own."""

from __future__ import annotations

from difflib import get_close_matches

import torch
from torch import nn

from tinyml.errors import ProjectError
from tinyml.models.custom import load_module
from tinyml.models.ds_cnn import DsCnn, ds_cnn
from tinyml.models.macs import count_macs
from tinyml.models.searched import SearchedNet, build_architecture
from tinyml.models.temporal_resnet import TemporalResNet, temporal_resnet
from tinyml.models.trace import SUPPORTED, Layer, trace_layers

ARCHITECTURES = {"ds_cnn": ds_cnn, "temporal_resnet": temporal_resnet}


def build(
    arch: str, input_shape: tuple[int, int], classes: int, *, width_mult: float = 1.0, seed: int = 0
) -> nn.Module:
    """The network called `arch` with weights drawn from `seed`. Raises: ProjectError for an unknown name."""
    if arch not in ARCHITECTURES:
        close = get_close_matches(arch, ARCHITECTURES, 1)
        raise ProjectError(
            f"there is no network called `{arch}`", details=[f"known: {', '.join(ARCHITECTURES)}"],
            hint=f"did you mean `{close[0]}`?" if close else 'bring your own with model.module = "model.py:build"',
        )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return ARCHITECTURES[arch](input_shape, classes, width_mult)


__all__ = [
    "ARCHITECTURES", "SUPPORTED", "DsCnn", "Layer", "SearchedNet", "TemporalResNet", "build", "build_architecture",
    "count_macs", "ds_cnn", "load_module", "temporal_resnet", "trace_layers",
]  # fmt: skip
