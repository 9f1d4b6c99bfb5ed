"""The optimisation loop that float training and quantisation-aware training share.

Every random draw of step `n` comes from a generator seeded with (seed, n), so a resumed run needs no generator
state to continue exactly as if it had not been interrupted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import torch
from torch import nn

from tinyml.errors import Progress, ProjectError
from tinyml.ir.tensor import QuantParams
from tinyml.train.augment import augment
from tinyml.train.checkpoint import Checkpoint, Checkpoints
from tinyml.train.config import TrainConfig
from tinyml.train.metrics import Examples, dequantize

Loss = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
"""`loss(logits, input batch, one-hot or mixed targets [B, classes])` -> scalar."""


@contextmanager
def reproducible(threads: int) -> Iterator[None]:
    """Deterministic kernels on a fixed number of threads; torch's global state is put back afterwards."""
    deterministic = torch.utils.deterministic
    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    filled = deterministic.fill_uninitialized_memory
    with torch.random.fork_rng(devices=[]):
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(True)
        deterministic.fill_uninitialized_memory = False  # nothing reads such memory, and filling it costs a tenth
        try:
            yield
        finally:
            deterministic.fill_uninitialized_memory = filled
            torch.set_num_threads(before[0])
            torch.use_deterministic_algorithms(before[1])


def run_key(config: TrainConfig, examples: Examples, *more: object) -> str:
    """Hash of everything that determines a run: a checkpoint of another key is not resumed."""
    relevant = replace(config, checkpoint_every=1)
    digest = hashlib.sha256(repr((relevant, torch.__version__, *more)).encode())
    digest.update(np.ascontiguousarray(examples.x).data)
    digest.update(np.ascontiguousarray(examples.y).data)
    return digest.hexdigest()


def check_examples(examples: Examples, what: str) -> None:
    """Raises: ProjectError when a set is empty or its shapes or classes do not fit together."""
    if not len(examples.x):
        raise ProjectError(f"the {what} set is empty", hint="add clips, or run `tinyml data list` to see the splits")
    kinds = {3: (np.int8,), 4: (np.int8, np.uint8)}.get(examples.x.ndim, ())
    if examples.x.dtype not in kinds or len(examples.x) != len(examples.y):
        raise ValueError("examples are int8 [N, frames, mel_bins], or images [N, H, W, C], with N class indices")
    if examples.y.min() < 0 or examples.y.max() >= len(examples.labels):
        raise ValueError("a class index is outside the labels")


def train_steps(
    module: nn.Module, examples: Examples, loss: Loss, config: TrainConfig, *, input_quant: QuantParams,
    checkpoints: Checkpoints | None, progress: Progress, what: str, before_step: Callable[[int], None] | None = None,
) -> list[float]:  # fmt: skip
    """Train `module` in place for `config.steps` steps; returns the loss of every step.

    Continues from the checkpoint when there is one. `before_step(n)` runs before step n, resumed or not.
    Raises: ProjectError when the loss is no longer finite or a checkpoint cannot be written.
    """
    module.to(memory_format=torch.channels_last)  # depthwise layers train 1.6 times faster on a CPU
    optimizer = torch.optim.AdamW(parameter_groups(module, config.weight_decay), lr=config.learning_rate)
    batches = Batches(examples, config, input_quant)
    module.train()

    def gradients(step: int) -> float:
        if before_step is not None:
            before_step(step)
        torch.manual_seed(config.seed * 1_000_003 + step)
        x, targets = batches.draw(step)
        value = loss(module(x), x, targets)
        value.backward()
        return float(value.detach())

    return descend(module, optimizer, gradients, config, checkpoints=checkpoints, progress=progress, what=what)


def descend(
    module: nn.Module, optimizer: torch.optim.Optimizer, gradients: Callable[[int], float], config: TrainConfig, *,
    checkpoints: Checkpoints | None, progress: Progress, what: str, apply: Callable[[], object] | None = None,
) -> list[float]:  # fmt: skip
    """Take `config.steps` steps of `optimizer`, each along what `gradients(step)`, which returns a loss, leaves in the
    parameters; returns the losses. `apply` does a step in `optimizer.step`'s place.

    Continues from the checkpoint when there is one, exactly as if never interrupted if `gradients` depends on the
    module and the step alone.
    Raises: ProjectError when the loss is no longer finite or a checkpoint cannot be written.
    """
    losses: list[float] = []
    average = {k: v.clone() for k, v in module.state_dict().items()} if config.weight_average else {}
    start = 0
    if checkpoints is not None and (found := checkpoints.load()) is not None:
        module.load_state_dict(found.module)
        optimizer.load_state_dict(found.optimizer)
        losses, average, start = list(found.extra["losses"]), found.extra["average"], found.step
    for step in range(start, config.steps):
        for group in optimizer.param_groups:
            group["lr"] = config.rate(step)
        optimizer.zero_grad(set_to_none=True)
        losses.append(gradients(step))
        (apply or optimizer.step)()
        if not np.isfinite(losses[-1]):
            raise ProjectError(f"training diverged at step {step + 1}", hint="lower train.learning_rate")
        _update_average(average, module, min(config.weight_average, (step + 1) / (step + 10)))
        done = step + 1
        if checkpoints is not None and (done % config.checkpoint_every == 0 or done == config.steps):
            extra = {"losses": losses, "average": average}
            checkpoints.save(Checkpoint(done, module.state_dict(), optimizer.state_dict(), extra))
        progress(what, done, config.steps)
    if average:
        module.load_state_dict(average)
    return losses


class Batches:
    """Shuffled epochs of augmented batches; the batch of a step depends on the seed and the step alone."""

    def __init__(self, examples: Examples, config: TrainConfig, input_quant: QuantParams) -> None:
        self.examples, self.config, self.quant = examples, config, input_quant
        self.size = min(config.batch_size, len(examples.x))
        self.per_epoch = max(1, len(examples.x) // self.size)
        self.epoch, self.order = -1, np.empty(0, np.int64)

    def draw(self, step: int, rank: int = 0, ranks: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
        """Inputs [B, C, H, W] (spectrograms in dB) and targets [B, classes]; of several ranks each gets its share."""
        epoch, at = divmod(step, self.per_epoch)
        if epoch != self.epoch:
            self.order = np.random.default_rng((self.config.seed, epoch)).permutation(len(self.examples.x))
            self.epoch = epoch
        index = self.order[at * self.size : (at + 1) * self.size][rank::ranks]
        x = augment(dequantize(self.examples.x[index], self.quant), self.config.augment)
        y = torch.from_numpy(np.asarray(self.examples.y)[index].astype(np.int64))
        targets = nn.functional.one_hot(y, len(self.examples.labels)).float()
        if self.config.mixup:
            x, targets = _mixup(x, targets, self.config.mixup)
        return x.contiguous(memory_format=torch.channels_last), targets


def _mixup(x: torch.Tensor, targets: torch.Tensor, alpha: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Convex mixtures with a shuffled copy of the batch. Source: Zhang et al., "mixup", 2017."""
    share = torch.distributions.Beta(alpha, alpha).sample((len(x),))
    share = torch.maximum(share, 1 - share)
    other = torch.randperm(len(x))
    pixels, rows = share[:, None, None, None], share[:, None]
    return pixels * x + (1 - pixels) * x[other], rows * targets + (1 - rows) * targets[other]


def parameter_groups(module: nn.Module, weight_decay: float) -> list[dict]:
    """Decay weights of convolutions and linear layers, not biases and batch norms."""
    decayed = [p for p in module.parameters() if p.ndim > 1]
    free = [p for p in module.parameters() if p.ndim <= 1]
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": free, "weight_decay": 0.0}]


@torch.no_grad()
def _update_average(average: dict[str, torch.Tensor], module: nn.Module, decay: float) -> None:
    state = module.state_dict()
    for name, value in average.items():
        if value.is_floating_point():
            value.lerp_(state[name], 1 - decay)
        else:
            value.copy_(state[name])
