"""A supernet trained by two processes on the CPU through Lightning Fabric."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tests.tiny_spaces import QUANT, TEMPORAL, examples

from tinyml.errors import ProjectError
from tinyml.nas.fitness import Fitness
from tinyml.nas.record import Counts
from tinyml.nas.space import extreme
from tinyml.nas.supernet_training import SupernetConfig, train_supernet

CONFIG = SupernetConfig(batch_size=32, subnets=1, accelerator="cpu", devices=2)


def train(folder: Path, steps: tuple[int, int], config: SupernetConfig = CONFIG, **options) -> list[float]:
    return train_supernet(TEMPORAL, 3, TEMPORAL.spaces, examples(TEMPORAL, 600, seed=1), seed=3, input_quant=QUANT,
                          counts=Counts(0, *steps, 0, 0), checkpoint_dir=folder, config=config, **options)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return torch.load(folder / "supernet.pt", weights_only=True)


@pytest.mark.timeout(1200)
def test_two_processes_learn_repeat_themselves_and_resume(tmp_path: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    losses = train(tmp_path / "a", (30, 120), progress=lambda *event: seen.append(event))
    assert seen == [("largest network", n, 30) for n in range(1, 31)] + [("supernet", n, 120) for n in range(1, 121)]
    again = train(tmp_path / "b", (30, 120))
    first, second = weights(tmp_path / "a"), weights(tmp_path / "b")
    assert losses == again and all(torch.equal(v, second[k]) for k, v in first.items())
    for kind, count, seed in (("calibration", 300, 1), ("examples", 150, 2)):
        for geometry, data in examples(TEMPORAL, count, seed).items():
            data.save(tmp_path / f"{kind}{geometry}.npz")
    paths = [{g: tmp_path / f"{kind}{g}.npz" for g in range(2)} for kind in ("calibration", "examples")]
    fitness = Fitness(TEMPORAL, 3, TEMPORAL.spaces, QUANT, tmp_path / "a/supernet.pt", *paths)
    assert all(fitness(extreme(TEMPORAL, largest=True, geometry=g, width=1)) > 0.85 for g in range(2))


@pytest.mark.timeout(1200)
def test_two_processes_take_halves_of_one_process_s_batches(tmp_path: Path) -> None:
    """Without what is drawn per process or measured per share, two halves have the gradient of the whole."""
    plain = replace(CONFIG, mixup=0.0, dropout=0.0, augment=replace(
        CONFIG.augment, mel_stretch=0, mel_shift=0, time_stretch=0, time_shift=0, gain=0, mel_masks=0, time_masks=0))
    one = train(tmp_path / "one", (1, 0), replace(plain, devices=1))
    two = train(tmp_path / "two", (1, 0), plain)
    assert two[0] == pytest.approx(one[0], rel=0.2) and two != one, "batch norms see half of the batch"


@pytest.mark.timeout(1200)
def test_errors_of_a_process_reach_the_caller_and_it_resumes(tmp_path: Path) -> None:
    whole = train(tmp_path / "whole", (3, 3))
    train(tmp_path / "resumed", (3, 3))
    damaged = tmp_path / "resumed/supernet.ckpt"
    damaged.write_bytes(damaged.read_bytes()[:100])
    with pytest.raises(ProjectError, match=r"supernet\.ckpt"):
        train(tmp_path / "resumed", (3, 3))
    damaged.unlink()
    done: list[str] = []
    assert train(tmp_path / "resumed", (3, 3), progress=lambda what, *_: done.append(what)) == whole
    assert done == ["supernet"] * 3
    first, second = weights(tmp_path / "whole"), weights(tmp_path / "resumed")
    assert all(torch.equal(v, second[k]) for k, v in first.items())
