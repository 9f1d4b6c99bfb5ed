"""Training of a supernet: it learns, a kill changes nothing, what is damaged is refused; fitness is repeatable."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.tiny_spaces import ALL, QUANT, SPECTROGRAMS, VISION, examples
from torch import nn

from tinyml.errors import ProjectError
from tinyml.nas.fitness import Fitness
from tinyml.nas.recalibrate import calibration_batches, recalibrate
from tinyml.nas.record import Counts
from tinyml.nas.space import SearchSpace, extreme, sample
from tinyml.nas.supernet_training import SupernetConfig, load_supernet, train_supernet
from tinyml.train.augment import AugmentConfig, augment
from tinyml.train.image_augment import ImageAugmentConfig

pytestmark = pytest.mark.usefixtures("one_thread")
CONFIG = SupernetConfig(batch_size=16, subnets=1, accelerator="cpu")


class Killed(Exception):
    """Stands for the process's end."""


def train(space: SearchSpace, folder: Path, steps: tuple[int, int] = (4, 6), config=CONFIG, **options) -> list[float]:
    counts = Counts(0, *steps, 0, 0)
    data = options.pop("data", None) or examples(space, 60, seed=1)
    return train_supernet(space, 3, options.pop("within", space.spaces), data, counts=counts,
                          seed=options.pop("seed", 5), input_quant=QUANT, checkpoint_dir=folder, config=config,
                          **options)  # fmt: skip


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return torch.load(folder / "supernet.pt", weights_only=True)


def same(a: Path, b: Path) -> bool:
    first, second = weights(a), weights(b)
    return first.keys() == second.keys() and all(torch.equal(v, second[k]) for k, v in first.items())


def fitness(space: SearchSpace, folder: Path, trained: Path) -> Fitness:
    files = {"calibration": (examples(space, 200, seed=1)), "examples": examples(space, 150, seed=2)}
    paths = {kind: {g: folder / f"{kind}{g}.npz" for g in sets} for kind, sets in files.items()}
    for kind, sets in files.items():
        for geometry, data in sets.items():
            data.save(paths[kind][geometry])
    return Fitness(space, 3, space.spaces, QUANT, trained / "supernet.pt", paths["calibration"], paths["examples"])


@pytest.mark.parametrize("space", ALL, ids=lambda space: space.name)
def test_networks_of_a_trained_supernet_recognise(space: SearchSpace, tmp_path: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    losses = train(space, tmp_path, (30, 120), replace(CONFIG, batch_size=32, checkpoint_every=500),
                   data=examples(space, 600, seed=1), progress=lambda *event: seen.append(event))  # fmt: skip
    assert len(losses) == 150 and np.mean(losses[-5:]) < np.mean(losses[:5])
    assert seen[29] == ("largest network", 30, 30) and seen[-1] == ("supernet", 120, 120) and len(seen) == 150
    judge = pickle.loads(pickle.dumps(fitness(space, tmp_path, tmp_path)))
    for geometry in range(2):
        assert judge(extreme(space, largest=True, geometry=geometry, width=1)) > 0.85
    rng = np.random.default_rng(0)
    assert np.mean([judge(sample(space, rng)) for _ in range(6)]) > 0.5, "a third is chance"


def killed_after(count: int):
    """A `progress` that kills the run at its `count`-th step, whatever the phase."""
    steps = iter(range(1, count + 1))

    def progress(what: str, done: int, total: int) -> None:
        if next(steps) == count:
            raise Killed

    return progress


@pytest.mark.parametrize("every", [1, 3])
def test_a_killed_run_ends_with_the_same_weights(tmp_path: Path, every: int) -> None:
    config = replace(CONFIG, checkpoint_every=every)
    losses = train(SPECTROGRAMS, tmp_path / "whole", config=config)
    for _ in range(3):  # once in the first phase, twice in the second one
        with pytest.raises(Killed):
            train(SPECTROGRAMS, tmp_path / "killed", config=config, progress=killed_after(3))
        assert not (tmp_path / "killed/supernet.pt").exists()
    done: list[str] = []
    resumed = train(SPECTROGRAMS, tmp_path / "killed", config=config, progress=lambda what, *_: done.append(what))
    assert resumed == losses and same(tmp_path / "whole", tmp_path / "killed")
    assert done == ["supernet"] * every, "continued at the last checkpoint"
    finished = train(SPECTROGRAMS, tmp_path / "killed", config=config, progress=killed_after(1))
    assert finished == losses, "a finished run does nothing"


def test_seed_data_and_options_start_afresh(tmp_path: Path) -> None:
    first = train(SPECTROGRAMS, tmp_path)
    options = {"seed": 6}, {"config": replace(CONFIG, subnets=2)}, {"data": examples(SPECTROGRAMS, 61, seed=1)}
    for option in options:
        steps: list[str] = []
        assert train(SPECTROGRAMS, tmp_path, progress=lambda what, *_, s=steps: s.append(what), **option) != first
        assert len(steps) == 10


@pytest.mark.parametrize("steps", [(0, 3), (3, 0)])
def test_a_phase_can_be_left_out(steps: tuple[int, int], tmp_path: Path) -> None:
    assert len(train(SPECTROGRAMS, tmp_path, steps)) == 3 and weights(tmp_path)


def test_spaces_of_different_widths_per_geometry(tmp_path: Path) -> None:
    train(SPECTROGRAMS, tmp_path, within=((0, 0), (1, 1)))
    supernet = load_supernet(SPECTROGRAMS, 3, ((0, 0), (1, 1)), tmp_path / "supernet.pt")
    assert supernet.width == 1 and supernet.stem_norm.num_features == 8


@pytest.mark.parametrize("name", ["largest.ckpt", "supernet.ckpt"])
def test_a_damaged_checkpoint_is_an_error(name: str, tmp_path: Path) -> None:
    train(SPECTROGRAMS, tmp_path)
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:500])
    with pytest.raises(ProjectError, match=name):
        train(SPECTROGRAMS, tmp_path)


def test_bad_examples_and_accelerators_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="empty"):
        train(SPECTROGRAMS, tmp_path, data=examples(SPECTROGRAMS, 0, seed=1))
    swapped = dict(zip((1, 0), examples(SPECTROGRAMS, 20, seed=1).values(), strict=True))
    with pytest.raises(ValueError, match="are not 20 mel"):
        train(SPECTROGRAMS, tmp_path, data=swapped)
    with pytest.raises(ProjectError, match="no accelerator `abacus`"):
        train(SPECTROGRAMS, tmp_path, config=replace(CONFIG, accelerator="abacus"))


def test_fitness_depends_on_the_files_and_the_genome_alone(tmp_path: Path) -> None:
    train(SPECTROGRAMS, tmp_path)
    judge, genome = fitness(SPECTROGRAMS, tmp_path, tmp_path), sample(SPECTROGRAMS, np.random.default_rng(3))
    first = judge(genome)
    torch.manual_seed(99)
    judge(sample(SPECTROGRAMS, np.random.default_rng(4)))
    assert judge(genome) == first == fitness(SPECTROGRAMS, tmp_path, tmp_path)(genome)
    network = judge.subnet(genome)
    assert not network.training and all(torch.equal(v, judge.subnet(genome).state_dict()[k])
                                        for k, v in network.state_dict().items())  # fmt: skip
    train(SPECTROGRAMS, tmp_path, seed=6)
    assert not torch.equal(judge.subnet(genome).stem.weight, network.stem.weight), "weights written anew are read anew"


def test_fitness_says_which_file_is_missing_or_damaged(tmp_path: Path) -> None:
    train(SPECTROGRAMS, tmp_path, (1, 0))
    judge, genome = fitness(SPECTROGRAMS, tmp_path, tmp_path), sample(SPECTROGRAMS, np.random.default_rng(3))
    for path in (judge.weights, judge.calibration[genome.geometry], judge.examples[genome.geometry]):
        whole = path.read_bytes()
        path.write_bytes(whole[:400])
        with pytest.raises(ProjectError, match=path.stem):
            judge(genome)
        path.unlink()
        with pytest.raises(ProjectError, match=path.stem):
            judge(genome)
        path.write_bytes(whole)


def test_recalibration_forgets_and_averages() -> None:
    net = nn.Sequential(nn.Conv2d(1, 4, 3, bias=False), nn.BatchNorm2d(4), nn.Dropout(0.9))
    batches = [torch.randn(8, 1, 6, 5, generator=torch.Generator().manual_seed(n)) for n in range(3)]
    outputs = [net[0](x) for x in batches]
    for _ in range(2):
        net[1].running_mean.fill_(7.0)
        assert not recalibrate(net.train(), batches).training and net[1].momentum == 0.1
        torch.testing.assert_close(net[1].running_mean, torch.stack([y.mean((0, 2, 3)) for y in outputs]).mean(0))
        torch.testing.assert_close(net[1].running_var, torch.stack([y.var((0, 2, 3)) for y in outputs]).mean(0))
    x = np.repeat(np.arange(100, dtype=np.int8), 20)[:, None, None]
    drawn = calibration_batches(x, QUANT)
    assert [len(b) for b in drawn] == [64] * 20
    values = torch.cat(drawn).unique()
    assert len(values) == 100 and all(len(b.unique()) > 30 for b in drawn), "from all of them, mixed"
    assert [len(b) for b in calibration_batches(x[:70], QUANT)] == [70]


def test_augmentation_is_scaled_to_the_axes() -> None:
    scaled = AugmentConfig().scaled(20, 40.0)
    assert (scaled.mel_shift, scaled.time_shift, scaled.mel_mask_bins, scaled.time_mask_frames) == (1, 2, 3, 3)
    assert AugmentConfig().scaled(40, 20.0) == AugmentConfig() and scaled.mel_stretch == AugmentConfig().mel_stretch
    config = SupernetConfig()
    assert config.augmentation(VISION.geometries[0]) == ImageAugmentConfig()
    assert config.augmentation(SPECTROGRAMS.geometries[0]) == scaled


def test_images_are_mirrored_moved_and_lit() -> None:
    torch.manual_seed(0)
    x = torch.randn(64, 3, 16, 12)
    off = ImageAugmentConfig(0, 0, 0, 0)
    assert torch.equal(augment(x, off), x)
    mirrored = augment(x, replace(off, flip=0.5))
    flips = [torch.equal(a, b.flip(-1)) for a, b in zip(mirrored, x, strict=True)]
    assert 15 < sum(flips) < 50 and all(f or torch.equal(a, b) for f, a, b in zip(flips, mirrored, x, strict=True))
    moved = augment(x, replace(off, shift=0.1))
    assert all(any(torch.equal(a[:, 2:-2, 1:-1], b[:, 2 + dy : 14 + dy, 1 + dx : 11 + dx])
                   for dy in range(-2, 3) for dx in range(-1, 2)) for a, b in zip(moved, x, strict=True))  # fmt: skip
    lit = augment(x, replace(off, brightness=0.3, contrast=0.2))
    shift = (lit.mean((1, 2, 3)) - x.mean((1, 2, 3))) / x.std((1, 2, 3))
    assert 0.1 < shift.abs().max() <= 0.3 and 0.1 < (lit.std((1, 2, 3)) / x.std((1, 2, 3)) - 1).abs().max() <= 0.2001
    with pytest.raises(ValueError, match="augment them as images"):
        augment(x, AugmentConfig())
