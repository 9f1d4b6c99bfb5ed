"""Networks that fit the board: drawn until one does, else made smaller until it does."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

import numpy as np

from tinyml.compiler.cost import NetworkCost
from tinyml.errors import OverBudgetError
from tinyml.nas.budget import Budget
from tinyml.nas.search_state import Candidate
from tinyml.nas.space import INVERTED_RESIDUAL, Genome, SearchSpace, Space, extreme, sample

DRAWS = 30
"""Networks drawn before the last one is made smaller instead."""


class Candidates:
    """Where candidates come from: `within` spaces (None: all), those left out whose smallest network does not fit.

    Raises: OverBudgetError when nothing fits: neither the smallest network of any space nor any of `DRAWS` others.
    """

    def __init__(
        self, space: SearchSpace, cost: Callable[[Genome], NetworkCost], budgets: Sequence[Budget],
        within: tuple[Space, ...] | None = None,
    ) -> None:  # fmt: skip
        self.space, self.budgets, self._cost = space, tuple(budgets), cost
        spaces = space.spaces if within is None else tuple(within)
        smallest = {s: extreme(space, largest=False, geometry=s[0], width=s[1]) for s in spaces}
        self.within = tuple(s for s, genome in smallest.items() if self.fitting(genome)) or tuple(spaces)
        fitting = [candidate for genome in smallest.values() if (candidate := self.fitting(genome))]
        if not fitting and not self._any_drawn():
            raise self._over_budget(list(smallest.values()))
        self.smallest: Candidate | None = min(fitting, key=lambda c: c[1].cycles, default=None)
        """The smallest network of the space where it needs the fewest cycles."""

    def fitting(self, genome: Genome) -> Candidate | None:
        """The genome with its cost if it fits the budget of its geometry."""
        cost = self._cost(genome)
        return (genome, cost) if self.budgets[genome.geometry].fits(cost) else None

    def drawn(self, rng: np.random.Generator, known: Collection[Genome]) -> Candidate | None:
        """A network that fits and is not `known`, evenly drawn among those; where they are rarer than one in `DRAWS`,
        one that was made to fit. None when that one is known."""
        genome = None
        for _ in range(DRAWS):
            genome = sample(self.space, rng, self.within)
            if genome not in known and (candidate := self.fitting(genome)):
                return candidate
        repaired = self.repaired(genome, rng)
        return repaired if repaired and repaired[0] not in known else None

    def new(self, rng: np.random.Generator, known: Collection[Genome], attempts: int) -> Candidate | None:
        """As `drawn`, tried up to `attempts` times."""
        found = (self.drawn(rng, known) for _ in range(attempts))
        return next((candidate for candidate in found if candidate), None)

    def repaired(self, genome: Genome, rng: np.random.Generator) -> Candidate | None:
        """The genome with choices made smaller, one after another at random, until it fits; None if nothing helps."""
        while (candidate := self.fitting(genome)) is None:
            options = smaller(self.space, genome, self.within)
            if not options:
                return None
            genome = options[rng.integers(len(options))]
        return candidate

    def _any_drawn(self) -> bool:
        """Costs are not quite monotonous in the choices: the smallest network may be dearer than another."""
        rng = np.random.default_rng(0)
        return any(self.fitting(sample(self.space, rng, self.within)) for _ in range(DRAWS))

    def _over_budget(self, smallest: list[Genome]) -> OverBudgetError:
        """The error that shows what the least demanding of the smallest networks needs."""

        def excess(genome: Genome) -> float:
            return max(used / max(1, limit) for _, used, limit in self._needs(genome))

        least = min(smallest, key=excess)
        details = [f"{what}: it needs {used:,}, the budget is {limit:,}" for what, used, limit in self._needs(least)]
        return OverBudgetError(
            f"no network of the space `{self.space.name}` fits; the smallest has {self.space.title(least.space)}",
            details=details, hint="raise `--ram`, `--flash` or `--latency`, or search a space of smaller networks",
        )  # fmt: skip

    def _needs(self, genome: Genome) -> list[tuple[str, int, int]]:
        cost, budget = self._cost(genome), self.budgets[genome.geometry]
        arena = "RAM bytes", cost.arena_bytes, budget.ram_bytes
        flash = "flash bytes", cost.flash_bytes, budget.flash_bytes
        return [arena, flash] if budget.cycles is None else [arena, flash, ("cycles", cost.cycles, budget.cycles)]


def smaller(space: SearchSpace, genome: Genome, within: tuple[Space, ...]) -> list[Genome]:
    """Every genome with one choice replaced by the next smaller one; empty for the smallest network of a geometry."""
    narrower = [w for g, w in within if g == genome.geometry and space.widths[w] < space.widths[genome.width]]
    found = [replace(genome, width=max(narrower, key=lambda w: space.widths[w]))] if narrower else []
    stems = _below([rows * columns for rows, columns in space.stem.kernels], genome.stem_kernel)
    found += [replace(genome, stem_kernel=k) for k in stems]
    for number, spec in enumerate(space.stages):
        kernels, expansions = genome.kernels[number], genome.expansions[number]
        for depth in _below(list(spec.depths), genome.depths[number]):
            count = spec.depths[depth]
            kept = expansions[:count] if space.family == INVERTED_RESIDUAL else expansions
            found.append(replace(genome, depths=_with(genome.depths, number, depth),
                                 kernels=_with(genome.kernels, number, kernels[:count]),
                                 expansions=_with(genome.expansions, number, kept)))  # fmt: skip
        areas = [rows * columns for rows, columns in spec.kernels]
        found += [replace(genome, kernels=_with(genome.kernels, number, _with(kernels, i, k)))
                  for i, kernel in enumerate(kernels) for k in _below(areas, kernel)]  # fmt: skip
        found += [replace(genome, expansions=_with(genome.expansions, number, _with(expansions, i, e)))
                  for i, old in enumerate(expansions) for e in _below(list(spec.expansions), old)]  # fmt: skip
    return found


def _below(sizes: list[float], index: int) -> list[int]:
    """The index of the next smaller size, if there is one."""
    less = [i for i, size in enumerate(sizes) if size < sizes[index]]
    return [max(less, key=lambda i: sizes[i])] if less else []


def _with(values: tuple, index: int, value: object) -> tuple:  # type: ignore[type-arg]
    return (*values[:index], value, *values[index + 1 :])
