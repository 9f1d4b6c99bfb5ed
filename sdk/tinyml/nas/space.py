"""What a search may choose from: `SearchSpace`, and `Genome`, one choice.

A *space* of stage 1 is a pair (geometry, width); everything else is common to all of them. Two families:

    inverted_residual  1x1 expansion to input channels x e, depthwise, linear 1x1 projection; e per block
    separable          depthwise, 1x1 convolution to stage channels x e, ReLU; e per stage
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from tinyml.architecture import Architecture, Block, Geometry, Stem
from tinyml.architecture.network import Pair, rounded

INVERTED_RESIDUAL, SEPARABLE = "inverted_residual", "separable"
Space = tuple[int, int]
"""Indices of a geometry and a width of a `SearchSpace`."""


@dataclass(frozen=True)
class StemSpec:
    """`channels` at width 1; `kernels` to choose from."""

    channels: int
    kernels: tuple[Pair, ...]
    stride: Pair
    collapse: bool = False


@dataclass(frozen=True)
class StageSpec:
    """A run of blocks of one width. The first has `stride`; `residual`: the others add their input."""

    channels: int
    stride: Pair
    depths: tuple[int, ...]
    kernels: tuple[Pair, ...]
    expansions: tuple[float, ...]
    residual: bool

    @property
    def most_blocks(self) -> int:
        return max(self.depths)


@dataclass(frozen=True)
class SearchSpace:
    """Stem and stages with their choices; `widths` multiply all channels, the head's too (`head_channels` 0: none)."""

    name: str
    family: str
    geometries: tuple[Geometry, ...]
    widths: tuple[float, ...]
    stem: StemSpec
    stages: tuple[StageSpec, ...]
    head_channels: int = 0

    @property
    def spaces(self) -> tuple[Space, ...]:
        """All (geometry, width) pairs, the spaces that stage 1 compares."""
        return tuple(product(range(len(self.geometries)), range(len(self.widths))))

    def title(self, space: Space) -> str:
        """A space, as messages and figures have it."""
        return f"{self.geometries[space[0]].title}, width {self.widths[space[1]]:g}"


@dataclass(frozen=True)
class Genome:
    """Indices into the choices of a `SearchSpace`: per stage its depth, per block its kernel, and per block
    (separable: per stage, one entry) its expansion. Only blocks that exist have entries, so that equal networks of one
    space are equal genomes."""

    geometry: int
    width: int
    stem_kernel: int
    depths: tuple[int, ...]
    kernels: tuple[tuple[int, ...], ...]
    expansions: tuple[tuple[int, ...], ...]

    @property
    def space(self) -> Space:
        return self.geometry, self.width


def stage_channels(space: SearchSpace, genome: Genome, stage: int) -> int:
    """Channels of the blocks of a stage."""
    spec, width = space.stages[stage], space.widths[genome.width]
    factor = spec.expansions[genome.expansions[stage][0]] if space.family == SEPARABLE else 1.0
    return rounded(spec.channels * width * factor)


def architecture(space: SearchSpace, genome: Genome, classes: int) -> Architecture:
    """The network that a genome stands for."""
    width = space.widths[genome.width]
    stem = Stem(rounded(space.stem.channels * width), space.stem.kernels[genome.stem_kernel], space.stem.stride,
                space.stem.collapse)  # fmt: skip
    blocks, channels = [], stem.channels
    for number in range(len(space.stages)):
        for block in _stage_blocks(space, genome, number, channels):
            blocks.append(block)
            channels = block.channels
    head = rounded(space.head_channels * width) if space.head_channels else 0
    return Architecture(space.geometries[genome.geometry], classes, stem, tuple(blocks), head)


def _stage_blocks(space: SearchSpace, genome: Genome, number: int, channels: int) -> list[Block]:
    spec, inverted = space.stages[number], space.family == INVERTED_RESIDUAL
    out, blocks = stage_channels(space, genome, number), []
    for index in range(spec.depths[genome.depths[number]]):
        hidden = 0
        if inverted:
            expansion = spec.expansions[genome.expansions[number][index]]
            hidden = rounded(channels * expansion) if expansion > 1 else 0
        stride = spec.stride if index == 0 else (1, 1)
        residual = spec.residual and stride == (1, 1) and channels == out and (inverted or index > 0)
        kernel = spec.kernels[genome.kernels[number][index]]
        blocks.append(Block(kernel, stride, hidden, out, residual, relu=not inverted))
        channels = out
    return blocks


# ---- genomes: samples, extremes, mutations, crossovers ---------------------------------------------------------------


def sample(space: SearchSpace, rng: np.random.Generator, within: tuple[Space, ...] | None = None) -> Genome:
    """A genome drawn evenly, from the spaces `within` if given."""
    allowed = space.spaces if within is None else within
    geometry, width = allowed[rng.integers(len(allowed))]
    depths = tuple(int(rng.integers(len(s.depths))) for s in space.stages)
    counts = [s.depths[d] for s, d in zip(space.stages, depths, strict=True)]
    kernels = tuple(_drawn(rng, len(s.kernels), n) for s, n in zip(space.stages, counts, strict=True))
    expansions = tuple(_drawn(rng, len(s.expansions), _entries(space, n))
                       for s, n in zip(space.stages, counts, strict=True))  # fmt: skip
    return Genome(geometry, width, int(rng.integers(len(space.stem.kernels))), depths, kernels, expansions)


def extreme(space: SearchSpace, *, largest: bool, geometry: int, width: int) -> Genome:
    """The largest or smallest network of one space, by the last or first of every choice in ascending order of size."""

    def pick(sizes: list[float]) -> int:
        return int(np.argmax(sizes) if largest else np.argmin(sizes))

    def area(kernels: tuple[Pair, ...]) -> list[float]:
        return [rows * columns for rows, columns in kernels]

    depths = tuple(pick(list(s.depths)) for s in space.stages)
    counts = [s.depths[d] for s, d in zip(space.stages, depths, strict=True)]
    return Genome(
        geometry, width, pick(area(space.stem.kernels)), depths,
        tuple((pick(area(s.kernels)),) * n for s, n in zip(space.stages, counts, strict=True)),
        tuple((pick(list(s.expansions)),) * _entries(space, n) for s, n in zip(space.stages, counts, strict=True)),
    )  # fmt: skip


def mutate(
    space: SearchSpace, genome: Genome, rng: np.random.Generator, rate: float, within: tuple[Space, ...] | None = None
) -> Genome:
    """Every gene is drawn anew with probability `rate`; geometry and width together, so that the space is allowed."""
    fresh = sample(space, rng, within)
    return _mixed(space, genome, fresh, lambda: bool(rng.random() < rate))


def crossover(space: SearchSpace, a: Genome, b: Genome, rng: np.random.Generator) -> Genome:
    """Every gene from one parent or the other, geometry and width together."""
    return _mixed(space, a, b, lambda: bool(rng.random() < 0.5))


def _mixed(space: SearchSpace, a: Genome, b: Genome, second: Callable[[], bool]) -> Genome:
    """`a` with each gene replaced by that of `b` where `second()` says so; lists follow the depth that results."""
    spatial = b if second() else a
    stem = (b if second() else a).stem_kernel
    depths = tuple((b if second() else a).depths[i] for i in range(len(space.stages)))
    kernels, expansions = [], []
    for number, spec in enumerate(space.stages):
        count = spec.depths[depths[number]]
        kernels.append(_merged(a.kernels[number], b.kernels[number], count, second))
        entries = _entries(space, count)
        expansions.append(_merged(a.expansions[number], b.expansions[number], entries, second))
    return replace(a, geometry=spatial.geometry, width=spatial.width, stem_kernel=stem, depths=depths,
                   kernels=tuple(kernels), expansions=tuple(expansions))  # fmt: skip


def _merged(
    a: tuple[int, ...], b: tuple[int, ...], count: int, second: Callable[[], bool]
) -> tuple[int, ...]:
    """`count` genes; beyond the end of one parent come those of the other, beyond both the last one of `a`."""
    genes = []
    for i in range(count):
        first, other = (b, a) if second() else (a, b)
        genes.append(first[i] if i < len(first) else other[i] if i < len(other) else first[-1])
    return tuple(genes)


def _drawn(rng: np.random.Generator, choices: int, count: int) -> tuple[int, ...]:
    return tuple(int(i) for i in rng.integers(choices, size=count))


def _entries(space: SearchSpace, blocks: int) -> int:
    """Entries of a stage's expansions."""
    return blocks if space.family == INVERTED_RESIDUAL else 1
