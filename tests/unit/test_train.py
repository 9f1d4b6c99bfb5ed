"""The training loop: it learns, repeats itself, resumes exactly, and fails cleanly."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from tinyml.errors import ProjectError
from tinyml.ir.tensor import QuantParams
from tinyml.models import build
from tinyml.train import TrainConfig, TrainResult, evaluate, fit
from tinyml.train.augment import AugmentConfig, augment
from tinyml.train.teaching import TEMPERATURE, Teachers

QUANT = QuantParams((0.5,), 0)
CONFIG = TrainConfig(steps=12, batch_size=16, mixup=0.2, weight_average=0.9, checkpoint_every=3, threads=1)


def small_net() -> nn.Module:
    return build("ds_cnn", (49, 40), 4, width_mult=0.25)


def test_a_pupil_learns_what_its_teacher_answers_and_not_the_labels(feature_blobs) -> None:
    examples, val = feature_blobs(400, seed=1), feature_blobs(200, seed=2)
    teacher = build("ds_cnn", (49, 40), 4, width_mult=0.5)
    fit(teacher, examples, val, TrainConfig(steps=60, batch_size=64), input_quant=QUANT)
    state = {name: value.clone() for name, value in teacher.state_dict().items()}
    wrong = replace(examples, y=(examples.y + 1) % 4)
    pupil = build("ds_cnn", (49, 40), 4, width_mult=0.5)
    result = fit(pupil, wrong, val, TrainConfig(steps=60, batch_size=64), input_quant=QUANT, teachers=[teacher])
    assert result.val_accuracy > 0.8 and result.history[-1] < result.history[0]
    assert all(torch.equal(value, state[name]) for name, value in teacher.state_dict().items())


def test_teachers_answer_as_their_mean_and_a_pupil_that_agrees_has_nothing_to_learn() -> None:
    x, logits = torch.zeros(2, 1), torch.tensor([[2.0, 0.0, -1.0], [0.0, 1.0, 0.0]], requires_grad=True)

    class Says(nn.Module):
        def __init__(self, logits: torch.Tensor) -> None:
            super().__init__()
            self.said = logits.detach()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.said

    one, other = Says(logits), Says(logits.flip(1))
    torch.testing.assert_close(Teachers([one, other]).answers(x),
                               (torch.softmax(one.said / TEMPERATURE, 1)
                                + torch.softmax(other.said / TEMPERATURE, 1)) / 2)  # fmt: skip
    Teachers([one]).loss(logits, x, x).backward()
    torch.testing.assert_close(logits.grad, torch.zeros_like(logits))


def test_another_teacher_is_another_run(feature_blobs, tmp_path: Path) -> None:
    examples, val = feature_blobs(48, seed=1), feature_blobs(24, seed=2)
    teachers = [build("ds_cnn", (49, 40), 4, width_mult=0.25, seed=seed) for seed in (1, 2)]
    for teacher in teachers:
        with pytest.raises(Killed):
            fit(small_net(), examples, val, CONFIG, input_quant=QUANT, checkpoint_dir=tmp_path, teachers=[teacher],
                progress=kill_at(6))  # fmt: skip
    resumed, whole = (fit(small_net(), examples, val, CONFIG, input_quant=QUANT, teachers=teachers[1:],
                          checkpoint_dir=folder) for folder in (tmp_path, None))  # fmt: skip
    assert resumed.history == whole.history


class Killed(Exception):
    """Stands for the process's end."""


def kill_at(step: int):
    def progress(what: str, done: int, total: int) -> None:
        if done == step:
            raise Killed

    return progress


def test_learns_and_reports(feature_blobs, tmp_path: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    model, val = build("ds_cnn", (49, 40), 4, width_mult=0.5), feature_blobs(300, seed=2)
    config = TrainConfig(steps=80, batch_size=64, threads=1)
    result = fit(model, feature_blobs(800, seed=1), val, config, input_quant=QUANT,
                 progress=lambda *event: seen.append(event))  # fmt: skip
    assert result.val_accuracy > 0.9 and result.history[-1] < result.history[0]
    assert seen[-1] == ("training", 80, 80) and len(seen) == 80
    metrics = evaluate(model, val, input_quant=QUANT)
    assert metrics.accuracy == result.val_accuracy and metrics.confusion.sum() == 300
    assert metrics.recall["word0"] == metrics.confusion[0, 0] / np.sum(val.y == 0)
    result.save(tmp_path)
    loaded = TrainResult.load(tmp_path)
    assert loaded.history == result.history and loaded.val_accuracy == result.val_accuracy
    restored = loaded.restore(build("ds_cnn", (49, 40), 4, width_mult=0.5))
    assert evaluate(restored, val, input_quant=QUANT).accuracy == metrics.accuracy
    with pytest.raises(ProjectError, match="another network"):
        loaded.restore(build("ds_cnn", (49, 40), 4))


def run(feature_blobs, checkpoint_dir: Path | None, **options) -> tuple[TrainResult, dict[str, torch.Tensor]]:
    model = small_net()
    config = replace(CONFIG, **options.pop("config", {}))
    result = fit(model, feature_blobs(60, seed=1), feature_blobs(40, seed=2), config, input_quant=QUANT,
                 checkpoint_dir=checkpoint_dir, **options)  # fmt: skip
    return result, model.state_dict()


@pytest.mark.parametrize("killed_after", [1, 5, 9])
def test_killed_and_resumed_equals_uninterrupted(feature_blobs, tmp_path: Path, killed_after: int) -> None:
    whole, weights = run(feature_blobs, None)
    with pytest.raises(Killed):
        run(feature_blobs, tmp_path, progress=kill_at(killed_after))
    done: list[int] = []
    resumed, again = run(feature_blobs, tmp_path, progress=lambda what, step, total: done.append(step))
    assert done[0] == killed_after // 3 * 3 + 1, "continues after the last checkpoint"
    assert resumed.history == whole.history
    assert all(torch.equal(value, again[name]) for name, value in weights.items())


def test_a_changed_configuration_starts_afresh(feature_blobs, tmp_path: Path) -> None:
    run(feature_blobs, tmp_path)
    done: list[int] = []
    run(feature_blobs, tmp_path, config={"seed": 1}, progress=lambda what, step, total: done.append(step))
    assert done[0] == 1


def test_disk_full_keeps_the_previous_checkpoint(feature_blobs, tmp_path: Path, monkeypatch) -> None:
    with pytest.raises(Killed):
        run(feature_blobs, tmp_path, progress=kill_at(4))
    before = (tmp_path / "float.ckpt").read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr("tinyml.train.checkpoint.os.fsync", full)
        with pytest.raises(ProjectError, match="disk is full") as caught:
            run(feature_blobs, tmp_path)
    assert caught.value.hint
    assert [f.name for f in tmp_path.iterdir()] == ["float.ckpt"], "no partial file is left"
    assert (tmp_path / "float.ckpt").read_bytes() == before
    resumed, _ = run(feature_blobs, tmp_path)
    assert resumed.history == run(feature_blobs, None)[0].history


def test_a_damaged_checkpoint_is_an_error(feature_blobs, tmp_path: Path) -> None:
    (tmp_path / "float.ckpt").write_bytes(b"not a checkpoint")
    with pytest.raises(ProjectError, match="not a checkpoint"):
        run(feature_blobs, tmp_path)


def test_divergence_and_bad_configuration(feature_blobs) -> None:
    with pytest.raises(ProjectError, match="learning_rate = 11"):
        TrainConfig(learning_rate=11.0)
    model = small_net()
    with torch.no_grad():
        model.classifier.bias.fill_(float("nan"))
    with pytest.raises(ProjectError, match="diverged"):
        fit(model, feature_blobs(20, seed=1), feature_blobs(20, seed=2), CONFIG, input_quant=QUANT)
    with pytest.raises(ProjectError, match="empty"):
        fit(small_net(), feature_blobs(0, seed=1), feature_blobs(20, seed=2), CONFIG, input_quant=QUANT)


def test_unsupported_layers_stop_before_the_first_step(feature_blobs) -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(1960, 4), nn.Sigmoid())
    done: list[int] = []
    with pytest.raises(ProjectError, match="Sigmoid"):
        fit(net, feature_blobs(20, seed=1), feature_blobs(20, seed=2), CONFIG, input_quant=QUANT,
            progress=lambda what, step, total: done.append(step))  # fmt: skip
    assert not done


def test_augmentation_off_is_the_identity_and_on_is_bounded() -> None:
    torch.manual_seed(0)
    x = torch.randn(8, 1, 49, 40)
    off = AugmentConfig(*[0] * 9)
    assert torch.allclose(augment(x, off), x)
    assert torch.allclose(augment(x, replace(off, mel_shift=1e-9, time_shift=1e-9)), x, atol=1e-5)
    changed = augment(x, AugmentConfig())
    assert changed.shape == x.shape and not torch.allclose(changed, x)
    assert changed.abs().max() <= x.abs().max() * (1 + AugmentConfig().gain) + 1e-5


def test_masks_cover_whole_frames_and_whole_bins() -> None:
    torch.manual_seed(3)
    masks = replace(AugmentConfig(*[0] * 9), time_masks=2, time_mask_frames=8, mel_masks=2, mel_mask_bins=6)
    x = torch.ones(64, 1, 49, 40)
    masked = augment(x, masks)[:, 0].numpy()
    assert torch.all(x == 1) and 0.6 < masked.mean() < 0.95
    rows, columns = (masked == 0).all(axis=2), (masked == 0).all(axis=1)
    assert np.array_equal(masked == 0, rows[:, :, None] | columns[:, None, :])
    assert rows.sum(axis=1).max() <= 16 and columns.sum(axis=1).max() <= 12
    assert len({r.tobytes() for r in rows}) > 30


def test_learning_rate_schedule() -> None:
    config = TrainConfig(steps=100, warmup=0.1)
    rates = [config.rate(n) for n in range(100)]
    assert max(rates) == pytest.approx(config.learning_rate, rel=0.01) and rates.index(max(rates)) in (9, 10)
    assert rates[0] < 0.2 * config.learning_rate and rates[-1] < 0.01 * config.learning_rate
