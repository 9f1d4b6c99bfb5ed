"""Fixtures of the unit tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pytest


@dataclass(frozen=True)
class Features:
    """As `data.FeatureSet`: x int8 [N, frames, bins] in steps of 0.5 dB, y int64 [N]."""

    x: np.ndarray
    y: np.ndarray
    labels: tuple[str, ...]


def blobs(count: int, *, seed: int, classes: int = 4, frames: int = 49, bins: int = 40) -> Features:
    """Class k is a blob at its own mel position that rises or falls in time; positions jitter."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, classes, count)
    t, f = np.arange(frames)[None, :, None], np.arange(bins)[None, None, :]
    centre_t = frames / 2 + rng.normal(0, 3, count)[:, None, None]
    slope = np.where(y % 2, 0.5, -0.5)[:, None, None]
    centre_f = ((y + 0.5) * bins / classes + rng.normal(0, 1, count))[:, None, None] + slope * (t - centre_t)
    x = 40 * np.exp(-(((t - centre_t) / 8) ** 2) - ((f - centre_f) / 3) ** 2)
    x = x + rng.normal(0, 6, x.shape)
    return Features(np.clip(np.rint(x), -128, 127).astype(np.int8), y, tuple(f"word{i}" for i in range(classes)))


@pytest.fixture(scope="session")
def feature_blobs() -> Callable[..., Features]:
    """A small feature set that a network can learn: `feature_blobs(count, seed=..., classes=4)`."""
    return blobs


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Threads of small layers wait for each other longer than they compute, the more so on a busy machine."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
