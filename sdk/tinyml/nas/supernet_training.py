"""Training of a supernet: first its largest network, then, channels sorted, all networks together.

A step of the second phase is a sandwich: the largest network of one geometry learns from the true labels, the
smallest and some drawn ones from the largest's answers. Every draw of a step comes from the seed and the step's
number, so a resumed run needs no generator state to continue exactly as if it had not been interrupted.
Sources: Cai et al., "Once-for-all", 2020; Yu et al., "BigNAS", 2020.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from lightning_fabric import Fabric
from torch.nn.functional import cross_entropy, softmax

from tinyml.architecture import Geometry
from tinyml.errors import Progress, ProjectError, no_progress
from tinyml.ir.tensor import QuantParams
from tinyml.nas.launch import average_gradients, fabric_for, launch
from tinyml.nas.record import Counts
from tinyml.nas.space import Genome, SearchSpace, Space, extreme, sample
from tinyml.nas.supernet import Supernet
from tinyml.train.augment import Augment, AugmentConfig
from tinyml.train.checkpoint import Checkpoints, write_tensors
from tinyml.train.config import TrainConfig
from tinyml.train.image_augment import ImageAugmentConfig
from tinyml.train.loop import Batches, check_examples, descend, parameter_groups, reproducible, run_key
from tinyml.train.metrics import Examples

WEIGHTS = "supernet.pt"
_LARGEST, _ALL = 0, 1


@dataclass(frozen=True)
class SupernetConfig:
    """Both phases run AdamW under a one-cycle schedule of their own.

    `subnets`: networks drawn per step beside the largest and the smallest; `augment` is for 40 mel bins and frames
    20 ms apart and is scaled to each geometry; `checkpoint_every` is in steps; `accelerator` and `devices` as
    `fabric_for` has them; `batch_size` is that of all processes together.
    """

    batch_size: int = 64
    largest_rate: float = 1e-2
    supernet_rate: float = 1e-2
    weight_decay: float = 0.02
    warmup: float = 0.1
    label_smoothing: float = 0.1
    mixup: float = 0.2
    dropout: float = 0.1
    subnets: int = 2
    augment: AugmentConfig = AugmentConfig()
    image_augment: ImageAugmentConfig = ImageAugmentConfig()
    checkpoint_every: int = 1
    threads: int = 1
    accelerator: str = "auto"
    devices: int = 0

    def phase(self, steps: int, rate: float, seed: int) -> TrainConfig:
        """A phase as options of the training loop."""
        return TrainConfig(
            steps=steps, batch_size=self.batch_size, learning_rate=rate, weight_decay=self.weight_decay,
            warmup=self.warmup, label_smoothing=self.label_smoothing, mixup=self.mixup, augment=self.augment, seed=seed,
            checkpoint_every=self.checkpoint_every, threads=self.threads,
        )  # fmt: skip

    def augmentation(self, geometry: Geometry) -> Augment:
        if geometry.hop_ms is None:
            return self.image_augment
        return self.augment.scaled(geometry.width, geometry.hop_ms)


@dataclass(frozen=True)
class _Task:
    """All that determines the weights."""

    space: SearchSpace
    classes: int
    within: tuple[Space, ...]
    examples: dict[int, Examples]
    steps: tuple[int, int]
    seed: int
    input_quant: QuantParams
    folder: Path
    config: SupernetConfig

    @property
    def phases(self) -> tuple[TrainConfig | None, TrainConfig | None]:
        """None for a phase without steps."""
        rates = self.config.largest_rate, self.config.supernet_rate
        first, second = (self.config.phase(n, rate, self.seed) if n else None
                         for n, rate in zip(self.steps, rates, strict=True))  # fmt: skip
        return first, second

    def key(self, ranks: int) -> str:
        """A checkpoint of another key is not resumed."""
        config = replace(self.config, checkpoint_every=1, accelerator="", devices=ranks)
        key = repr((self.space, self.classes, self.within, self.steps, self.seed, self.input_quant, config))
        for geometry, examples in sorted(self.examples.items()):
            key = run_key(TrainConfig(), examples, geometry, key)
        return key


def train_supernet(
    space: SearchSpace, classes: int, within: tuple[Space, ...], examples: Mapping[int, Examples], *, counts: Counts,
    seed: int, input_quant: QuantParams, checkpoint_dir: Path, config: SupernetConfig = SupernetConfig(),
    progress: Progress = no_progress,
) -> list[float]:  # fmt: skip
    """Train all networks of the spaces `within` and write `checkpoint_dir / "supernet.pt"`; returns every step's loss.

    `examples` maps each geometry of `within` to its training examples, the same ones in the same order. A run that
    was killed and is called again ends with the same weights as one that was not.
    Raises: ProjectError for empty sets, divergence, a damaged checkpoint, an unwritable disk, an absent accelerator.
    """
    geometries = sorted({geometry for geometry, _ in within})
    for index in geometries:
        geometry = space.geometries[index]
        check_examples(examples[index], f"training ({geometry.title})")
        _check_shape(examples[index], geometry)
    task = _Task(space, classes, within, {g: examples[g] for g in geometries},
                 (counts.largest_steps, counts.supernet_steps), seed, input_quant, checkpoint_dir, config)  # fmt: skip
    return launch(fabric_for(config.accelerator, config.devices), _train, task, progress)


def load_supernet(space: SearchSpace, classes: int, within: tuple[Space, ...], path: Path) -> Supernet:
    """The supernet whose weights `train_supernet` wrote. Raises: ProjectError for a file that does not hold them."""
    supernet = Supernet(space, classes, within)
    try:
        supernet.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:  # torch raises many kinds for a damaged file
        raise ProjectError(f"{path} does not hold the weights of this search's supernet",
                           hint="run `tinyml search --restart` to search anew") from error  # fmt: skip
    return supernet.to(memory_format=torch.channels_last)


def _check_shape(examples: Examples, geometry: Geometry) -> None:
    expected = geometry.shape if geometry.hop_ms is None else geometry.shape[:2]
    if examples.x.shape[1:] != expected:
        raise ValueError(f"examples of shape {examples.x.shape[1:]} are not {geometry.title}")


def _train(fabric: Fabric, task: _Task, progress: Progress) -> list[float]:
    """Both phases, in one of `fabric.world_size` processes."""
    with reproducible(task.config.threads):
        torch.manual_seed(task.seed)
        supernet = Supernet(task.space, task.classes, task.within, dropout=task.config.dropout)
        supernet.to(fabric.device, memory_format=torch.channels_last).train()
        key, losses = task.key(fabric.world_size), []
        for phase, (options, name, what) in enumerate(
            zip(task.phases, ("largest.ckpt", "supernet.ckpt"), ("largest network", "supernet"), strict=True)
        ):
            if phase == _ALL:
                supernet.sort_channels()
            if options is not None:
                checkpoints = _SharedCheckpoints(task.folder / name, key, writes=fabric.is_global_zero)
                losses += _Phase(fabric, task, supernet, phase, options).run(checkpoints, progress, what)
        if fabric.is_global_zero:
            write_tensors({name: value.cpu() for name, value in supernet.state_dict().items()}, task.folder / WEIGHTS)
        fabric.barrier()
    return losses


@dataclass(frozen=True)
class _SharedCheckpoints(Checkpoints):
    """Checkpoints that all processes read and one writes."""

    writes: bool = True

    def save(self, checkpoint) -> None:  # noqa: ANN001 - as in the base
        if self.writes:
            super().save(checkpoint)


class _Phase:
    """The steps of one phase."""

    def __init__(self, fabric: Fabric, task: _Task, supernet: Supernet, phase: int, options: TrainConfig) -> None:
        self.fabric, self.task, self.supernet, self.phase, self.options = fabric, task, supernet, phase, options
        self.batches = {
            g: Batches(examples, replace(options, augment=task.config.augmentation(task.space.geometries[g])),
                       task.input_quant)
            for g, examples in task.examples.items()
        }  # fmt: skip
        self.parameters = list(supernet.parameters())

    def run(self, checkpoints: Checkpoints, progress: Progress, what: str) -> list[float]:
        groups = parameter_groups(self.supernet, self.options.weight_decay)
        optimizer = torch.optim.AdamW(groups, lr=self.options.learning_rate, fused=True)
        return descend(self.supernet, optimizer, self.gradients, self.options, checkpoints=checkpoints,
                       progress=progress, what=what, apply=self.fabric.setup_optimizers(optimizer).step)  # fmt: skip

    def gradients(self, step: int) -> float:
        """Add up the gradients of a step's networks; returns the loss of the largest."""
        rank, ranks = self.fabric.global_rank, self.fabric.world_size
        rng = np.random.default_rng((self.task.seed, self.phase, step))
        largest, others = self.drawn(rng)
        torch.manual_seed(int(np.random.SeedSequence((self.task.seed, self.phase, step, rank)).generate_state(1)[0]))
        x, targets = (self.fabric.to_device(t) for t in self.batches[largest.geometry].draw(step, rank, ranks))
        logits = self.logits(x, largest)
        loss = cross_entropy(logits, targets, label_smoothing=self.options.label_smoothing)
        self.fabric.backward(loss)
        taught = softmax(logits.detach(), dim=1)
        for genome in others:
            self.fabric.backward(cross_entropy(self.logits(x, genome), taught))
        return average_gradients(self.fabric, self.parameters, float(loss.detach()))

    def logits(self, x: torch.Tensor, genome: Genome) -> torch.Tensor:
        with self.fabric.autocast():
            return self.supernet(x, genome).float()

    def drawn(self, rng: np.random.Generator) -> tuple[Genome, list[Genome]]:
        """The network that learns from the labels and those that learn from it, all of one geometry."""
        space, geometries = self.task.space, sorted(self.task.examples)
        geometry = geometries[rng.integers(len(geometries))]
        if self.phase == _LARGEST:
            return self.supernet.largest(geometry), []
        spaces = tuple(s for s in self.task.within if s[0] == geometry)
        narrowest, *_, widest = sorted((w for _, w in spaces), key=lambda w: space.widths[w]) * 2
        drawn = [sample(space, rng, spaces) for _ in range(self.task.config.subnets)]
        return (extreme(space, largest=True, geometry=geometry, width=widest),
                [extreme(space, largest=False, geometry=geometry, width=narrowest), *drawn])  # fmt: skip
