"""Who teaches the chosen network in its last training: the finalists with its input, trained by then, whose answers in
the mean are better than those of any of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import nn

from tinyml.errors import ProjectError
from tinyml.models import build_architecture
from tinyml.nas.record import Evaluated, SearchRecord
from tinyml.nas.space import Genome, architecture
from tinyml.train.checkpoint import write_tensors

MOST = 3
"""Each takes about a third of the time of a training step."""


def teachers_of(finalists: Sequence[Evaluated], chosen: Genome) -> tuple[Genome, ...]:
    """At most `MOST`, the most accurate first, of equals those of fewer cycles; `chosen` may be one of them."""
    able = [e for e in finalists if e.genome.geometry == chosen.geometry]
    return tuple(e.genome for e in sorted(able, key=lambda e: (-e.accuracy, e.cost.cycles))[:MOST])


def save_teachers(genomes: Sequence[Genome], weights_path: Callable[[Genome], Path], path: Path) -> None:
    """Write the states of the plain modules, in order, from where `weights_path` says. Raises: ProjectError."""
    write_tensors([torch.load(weights_path(genome), weights_only=True) for genome in genomes], path)


def load_teachers(record: SearchRecord, path: Path) -> list[nn.Module]:
    """The teachers of the search `record`, in evaluation mode. Raises: ProjectError for a file that is not theirs."""
    genomes = teachers_of(record.finalists, record.evaluations[record.chosen].genome)
    modules = [build_architecture(architecture(record.space, genome, record.classes)) for genome in genomes]
    try:
        for module, state in zip(modules, torch.load(path, weights_only=True), strict=True):
            module.load_state_dict(state)
    except Exception as error:  # torch raises many kinds for a damaged file
        raise ProjectError(f"{path} does not hold the teachers of this search",
                           hint="run `tinyml search --restart` to search anew") from error  # fmt: skip
    return [module.eval() for module in modules]
