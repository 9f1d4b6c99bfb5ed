"""`tinyml search --budget 20m`: minutes become counts of steps and evaluations, once, by timing this machine.

The counts are stored with the search; from then on they, and not the clock, decide what is done.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from tinyml.architecture import Architecture
from tinyml.errors import ProjectError
from tinyml.models import build_architecture
from tinyml.nas.budget import Budget
from tinyml.nas.costing import Costs
from tinyml.nas.recalibrate import BATCH_SIZE, BATCHES
from tinyml.nas.record import Counts
from tinyml.nas.space import SearchSpace, architecture, extreme, sample
from tinyml.train.loop import reproducible

BATCH = 128
"""Windows of a step that is timed: those of fine-tuning. A supernet's batch is half as large, so that its steps leave
time for what they do not show: examples that are drawn and augmented, four backward passes, checkpoints."""
_PROBES = 40
_SHARES = {"spaces": 0.1, "supernet": 0.5, "evolution": 0.15, "finalists": 0.15}
"""Of the budget; the rest is left for examples, building and the report."""
FINALISTS = 6
"""Candidates that are trained on by themselves."""


@dataclass(frozen=True)
class Speeds:
    """Of this machine. Seconds of one core: to cost a network, of a training step of 128 windows (supernet: the
    largest, the smallest and two others; fine-tuning: one network), of an evaluation."""

    network_s: float
    supernet_step_s: float
    finetune_step_s: float
    evaluation_s: float


def counts_for(budget_s: float, speeds: Speeds, spaces: int, workers: int, finetune_steps: int = 0) -> Counts:
    """The counts that fill a budget of seconds on `workers` cores; training uses one of them. `finetune_steps`: those
    of all networks that are trained after the search, whose time is part of the budget.

    Raises: ProjectError for a budget that is too small to find anything.
    """
    finish_s = finetune_steps * speeds.finetune_step_s
    seconds = {part: share * max(0.0, budget_s - finish_s) for part, share in _SHARES.items()}
    samples = int(seconds["spaces"] * workers / (speeds.network_s * spaces))
    steps = int(seconds["supernet"] / speeds.supernet_step_s)
    evaluations = int(seconds["evolution"] * workers / speeds.evaluation_s)
    enough = min(share / least for share, least in ((samples, 5), (steps, 60), (evaluations, 20)))
    if enough < 1:
        least_s = (budget_s - finish_s) / enough + finish_s if enough else 0
        raise ProjectError(
            f"a search of {budget_s:.0f} s is too short on this machine",
            details=[f"it leaves {samples} networks a space, {steps} training steps, {evaluations} candidates"],
            hint=f"use `--budget {max(1, int(np.ceil(least_s / 60)))}m` or more" if least_s else "use a longer budget",
        )
    evaluations = min(evaluations, 3000)
    finalist_steps = int(seconds["finalists"] * workers / (FINALISTS * speeds.finetune_step_s))
    return Counts(
        samples_per_space=min(samples, 1000), largest_steps=min(steps // 4, 10_000),
        supernet_steps=min(steps - steps // 4, 30_000), population=int(np.clip(evaluations // 15, 8, 50)),
        evaluations=evaluations * 4 // 5, random_evaluations=evaluations // 5, finalists=FINALISTS,
        finalist_steps=int(np.clip(finalist_steps, 1, 1000)),
    )  # fmt: skip


def measure(
    space: SearchSpace, classes: int, costs: Costs, budgets: Sequence[Budget], *, fitness_windows: int, seed: int
) -> Speeds:
    """Time the parts of a search on networks of `space` that fit `budgets`; takes a few seconds."""
    rng = np.random.default_rng(seed)
    genomes = [sample(space, rng) for _ in range(_PROBES)]
    started = time.monotonic()
    known = [costs.quick(genome) for genome in genomes]
    network_s = (time.monotonic() - started) / _PROBES
    fitting = [g for g, cost in zip(genomes, known, strict=True) if budgets[g.geometry].fits(cost)]
    if not fitting:  # tight budgets: the smallest network of the space stands for those that fit
        fitting = [min((extreme(space, largest=False, geometry=g, width=w) for g, w in space.spaces),
                       key=lambda genome: architecture(space, genome, classes).macs)]  # fmt: skip
    networks = sorted((architecture(space, g, classes) for g in fitting), key=lambda a: a.macs)
    middle, largest = networks[len(networks) // 2], networks[-1]
    with reproducible(1):
        step, top = _step_seconds(middle), _step_seconds(largest)
        windows = BATCHES * BATCH_SIZE + fitness_windows
        evaluation = _forward_seconds(middle) * windows / BATCH
    return Speeds(network_s, 1.5 * top + 2.5 * step, top, evaluation)


def _step_seconds(arch: Architecture) -> float:
    """A training step on a batch of noise."""
    model, x = build_architecture(arch).train(), _noise(arch)
    target = torch.zeros(BATCH, dtype=torch.int64)

    def step() -> None:
        functional.cross_entropy(model(x), target).backward()

    return _seconds(step)


def _forward_seconds(arch: Architecture) -> float:
    model, x = build_architecture(arch).eval(), _noise(arch)
    with torch.no_grad():
        return _seconds(lambda: model(x))


def _noise(arch: Architecture) -> torch.Tensor:
    height, width, channels = arch.geometry.shape
    return torch.randn(BATCH, channels, height, width).contiguous(memory_format=torch.channels_last)


def _seconds(work: Callable[[], object]) -> float:
    """The faster of three runs after one to warm up."""
    work()
    times = []
    for _ in range(3):
        started = time.monotonic()
        work()
        times.append(time.monotonic() - started)
    return min(times)
