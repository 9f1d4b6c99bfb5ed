"""Genomes: whatever is drawn, mutated or crossed is a network of the space, and equal networks are equal genomes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinyml.architecture import Geometry
from tinyml.nas.space import (
    INVERTED_RESIDUAL,
    SEPARABLE,
    Genome,
    SearchSpace,
    StageSpec,
    StemSpec,
    architecture,
    crossover,
    extreme,
    mutate,
    rounded,
    sample,
)

SQUARE = ((3, 3), (5, 5), (7, 7))
IMAGES = SearchSpace(
    "images", INVERTED_RESIDUAL, (Geometry(32, 32, 3), Geometry(48, 48, 3)), (0.5, 0.75, 1.0),
    StemSpec(16, ((3, 3), (5, 5)), (2, 2)),
    (StageSpec(8, (1, 1), (1,), SQUARE, (1.0,), True), StageSpec(16, (2, 2), (1, 2, 3), SQUARE, (3.0, 4.0, 6.0), True),
     StageSpec(24, (2, 2), (2, 4), SQUARE[:2], (3.0, 6.0), True)),
    64,
)  # fmt: skip
SOUNDS = SearchSpace(
    "sounds", SEPARABLE, (Geometry(49, 40, 1, 20.0), Geometry(31, 24, 1, 25.0)), (0.5, 1.0),
    StemSpec(16, ((3, 3), (7, 5)), (2, 2)),
    (StageSpec(32, (1, 2), (1, 2), ((3, 3), (5, 3)), (0.5, 1.0), False),
     StageSpec(64, (2, 1), (1, 2, 3), ((3, 3), (7, 3)), (0.5, 0.75, 1.0), True)),
)  # fmt: skip
FRAMES = SearchSpace(
    "frames", SEPARABLE, (Geometry(49, 40, 1, 20.0),), (0.5, 1.0),
    StemSpec(32, ((3, 3), (9, 3)), (2, 1), collapse=True),
    (StageSpec(32, (1, 1), (1, 2), ((5, 1), (9, 1)), (1.0, 1.5), True),
     StageSpec(48, (2, 1), (2, 3), ((5, 1), (9, 1)), (1.0, 1.5), True)),
)  # fmt: skip
SPACES = (IMAGES, SOUNDS, FRAMES)
seeds = st.integers(0, 2**32 - 1)


def check(space: SearchSpace, genome: Genome) -> None:
    """Every gene is a choice of the space, for every block that exists and no other; the network can be built."""
    assert genome.space in space.spaces
    assert 0 <= genome.stem_kernel < len(space.stem.kernels)
    for spec, depth, kernels, expansions in zip(space.stages, genome.depths, genome.kernels, genome.expansions,
                                                strict=True):  # fmt: skip
        count = spec.depths[depth]
        assert len(kernels) == count and all(0 <= k < len(spec.kernels) for k in kernels)
        assert len(expansions) == (count if space.family == INVERTED_RESIDUAL else 1)
        assert all(0 <= e < len(spec.expansions) for e in expansions)
    network = architecture(space, genome, 7)
    assert network.geometry == space.geometries[genome.geometry]
    assert len(network.blocks) == sum(spec.depths[d] for spec, d in zip(space.stages, genome.depths, strict=True))
    assert all(c % 4 == 0 for b in network.blocks for c in (b.channels, b.hidden))
    assert network.layers[-1].shape == (7,)


@settings(deadline=None)
@given(st.sampled_from(SPACES), seeds, st.floats(0, 1))
def test_what_is_drawn_mutated_or_crossed_is_a_network_of_the_space(space: SearchSpace, seed: int, rate: float) -> None:
    rng = np.random.default_rng(seed)
    within = space.spaces[1:2]
    a, b = sample(space, rng), sample(space, rng, within)
    assert b.space in within
    for genome in (a, b, mutate(space, a, rng, rate), crossover(space, a, b, rng)):
        check(space, genome)
    moved = mutate(space, b, rng, rate, within)
    check(space, moved)
    assert moved.space in within


@settings(deadline=None)
@given(st.sampled_from(SPACES), seeds)
def test_genes_of_a_child_come_from_its_parents(space: SearchSpace, seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = sample(space, rng), sample(space, rng)
    child = crossover(space, a, b, rng)
    assert child.space in (a.space, b.space)
    assert child.stem_kernel in (a.stem_kernel, b.stem_kernel)
    for stage in range(len(space.stages)):
        assert child.depths[stage] in (a.depths[stage], b.depths[stage])
        assert set(child.kernels[stage]) <= set(a.kernels[stage]) | set(b.kernels[stage])
        assert set(child.expansions[stage]) <= set(a.expansions[stage]) | set(b.expansions[stage])
    assert crossover(space, a, a, rng) == a


@settings(deadline=None)
@given(st.sampled_from(SPACES), seeds)
def test_a_mutation_at_rate_0_changes_nothing(space: SearchSpace, seed: int) -> None:
    rng = np.random.default_rng(seed)
    genome = sample(space, rng)
    assert mutate(space, genome, rng, 0.0) == genome


def test_mutations_change_about_as_many_genes_as_asked_for() -> None:
    rng = np.random.default_rng(0)
    genome = sample(SOUNDS, rng)
    changed = [sum(a != b for a, b in zip(mutate(SOUNDS, genome, rng, 0.1).depths, genome.depths, strict=True))
               for _ in range(2000)]  # fmt: skip
    assert 0.05 * 2 < np.mean(changed) < 0.1 * 2  # a gene that is drawn anew may be the same


@settings(deadline=None)
@given(st.sampled_from(SPACES), seeds)
def test_equal_genomes_are_equal_networks_within_a_space(space: SearchSpace, seed: int) -> None:
    rng = np.random.default_rng(seed)
    within = (space.spaces[-1],)  # full width: at half of it, rounding makes some expansions equal
    a = sample(space, rng, within)
    b = mutate(space, a, rng, 0.05, within)
    assert (a == b) == (architecture(space, a, 5) == architecture(space, b, 5))
    assert architecture(space, a, 5) == architecture(space, Genome(**vars(a)), 5)


@settings(deadline=None)
@given(st.sampled_from(SPACES), seeds)
def test_extremes_bound_the_space(space: SearchSpace, seed: int) -> None:
    genome = sample(space, np.random.default_rng(seed))
    least, most = (architecture(space, extreme(space, largest=largest, geometry=genome.geometry, width=genome.width), 5)
                   for largest in (False, True))  # fmt: skip
    found = architecture(space, genome, 5)
    assert least.macs <= found.macs <= most.macs
    assert least.weights <= found.weights <= most.weights


@pytest.mark.parametrize("space", SPACES, ids=lambda s: s.name)
def test_every_choice_is_drawn(space: SearchSpace) -> None:
    rng = np.random.default_rng(1)
    drawn = [sample(space, rng) for _ in range(400)]
    assert {g.space for g in drawn} == set(space.spaces)
    choices: list[tuple[Callable[[Genome], int], int]] = [(lambda g: g.stem_kernel, len(space.stem.kernels))]
    for i, spec in enumerate(space.stages):
        choices += [(lambda g, i=i: g.depths[i], len(spec.depths)),
                    (lambda g, i=i: g.kernels[i][-1], len(spec.kernels)),
                    (lambda g, i=i: g.expansions[i][-1], len(spec.expansions))]  # fmt: skip
    for gene, count in choices:
        assert {gene(g) for g in drawn} == set(range(count))


@given(st.floats(0, 500))
def test_channels_are_multiples_of_four_and_never_none(channels: float) -> None:
    found = rounded(channels)
    assert found % 4 == 0 and found >= 4
    assert abs(found - channels) <= 2 or found == 4
