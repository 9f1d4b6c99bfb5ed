"""Search spaces of networks that train in milliseconds: one of each kind that a supernet must share weights over."""

from __future__ import annotations

import numpy as np

from tinyml.architecture import Geometry
from tinyml.data.feature_set import FeatureSet
from tinyml.ir.tensor import QuantParams
from tinyml.nas.space import INVERTED_RESIDUAL, SEPARABLE, SearchSpace, StageSpec, StemSpec

QUANT = QuantParams((0.5,), 0)
AUDIO = (Geometry(25, 20, 1, 40.0), Geometry(17, 12, 1, 60.0))
IMAGES = (Geometry(16, 16, 3), Geometry(12, 12, 3))

SPECTROGRAMS = SearchSpace(
    "separable", SEPARABLE, AUDIO, (0.5, 1.0), StemSpec(8, ((3, 3), (5, 3)), (2, 2)),
    (StageSpec(12, (1, 2), (1, 2), ((3, 3), (5, 5)), (0.7, 1.0), residual=False),
     StageSpec(16, (2, 1), (1, 2, 3), ((3, 1), (5, 3), (1, 3)), (0.75, 1.0), residual=True)),
)  # fmt: skip
TEMPORAL = SearchSpace(
    "temporal", SEPARABLE, AUDIO, (0.5, 1.0), StemSpec(12, ((3, 1), (5, 1)), (1, 1), collapse=True),
    (StageSpec(16, (2, 1), (1, 2), ((3, 1), (9, 1)), (0.75, 1.0), residual=True),), head_channels=20,
)  # fmt: skip
INVERTED = SearchSpace(
    "inverted", INVERTED_RESIDUAL, AUDIO, (0.5, 1.0), StemSpec(8, ((3, 3),), (2, 2)),
    (StageSpec(8, (1, 1), (1, 2), ((3, 3), (5, 5)), (1.0, 2.0), residual=True),
     StageSpec(12, (2, 2), (1, 2), ((3, 3), (5, 3)), (2.0, 4.0), residual=True)), head_channels=24,
)  # fmt: skip
VISION = SearchSpace(
    "vision", INVERTED_RESIDUAL, IMAGES, (0.5, 1.0), StemSpec(8, ((3, 3),), (2, 2)),
    (StageSpec(8, (1, 1), (1,), ((3, 3),), (1.0,), residual=True),
     StageSpec(12, (2, 2), (1, 2), ((3, 3), (5, 5)), (2.0, 3.0), residual=True)),
)  # fmt: skip
ALL = (SPECTROGRAMS, TEMPORAL, INVERTED, VISION)


def examples(space: SearchSpace, count: int, seed: int) -> dict[int, FeatureSet]:
    """Per geometry the same examples in the same order, of three classes: spots that are long, high and round."""
    return {index: _spots(geometry, count, seed) for index, geometry in enumerate(space.geometries)}


def _spots(geometry: Geometry, count: int, seed: int) -> FeatureSet:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, count)
    centres, sizes = rng.uniform(0.3, 0.7, (2, count)), np.array([[0.4, 0.1, 0.2], [0.1, 0.4, 0.2]])[:, y]
    axes = [np.arange(n) / n for n in geometry.shape[:2]]
    rows, columns = (np.exp(-(((axis - centre[:, None]) / size[:, None]) ** 2))
                     for axis, centre, size in zip(axes, centres, sizes, strict=True))  # fmt: skip
    x = 60 * rows[:, :, None] * columns[:, None, :] + rng.normal(0, 6, (count, *geometry.shape[:2]))
    if geometry.hop_ms is None:
        x = np.repeat(x[..., None], geometry.channels, axis=3)
    x = np.clip(np.rint(x), -128, 127).astype(np.int8)
    return FeatureSet(x, y.astype(np.int64), np.full(count, -1, np.int32), ("long", "high", "round"))
