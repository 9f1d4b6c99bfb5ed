"""What is read out of a search's record in more than one place: budgets, readable networks, the cost of the search."""

from __future__ import annotations

from dataclasses import dataclass

from tinyml.nas.budget import Budget
from tinyml.nas.record import Evaluated, SearchRecord
from tinyml.nas.space import Genome, SearchSpace, stage_channels

STAGES = {"spaces": "comparing the spaces", "supernet": "training the supernet", "evolution": "evolution",
          "random": "random search, to compare with", "finetune": "fine-tuning", "qat": "training in int8"}  # fmt: skip
"""Names of `SearchRecord.seconds` in words; others are shown as they are."""


def budget_of(record: SearchRecord) -> Budget:
    """The budget of the chosen network's input; before one is chosen, for each need the largest of all inputs."""
    if record.chosen is not None:
        return record.budgets[record.evaluations[record.chosen].genome.geometry]
    cycles = [b.cycles for b in record.budgets]
    return Budget(max(b.ram_bytes for b in record.budgets), max(b.flash_bytes for b in record.budgets),
                  None if None in cycles else max(c for c in cycles if c is not None))  # fmt: skip


def described(space: SearchSpace, genome: Genome) -> str:
    """A network in a line: input and width, the stem's kernel, and per stage its channels and its blocks' kernels, each
    with `e` the expansion where blocks have their own."""
    stem_rows, stem_columns = space.stem.kernels[genome.stem_kernel]
    stem = f"{stem_rows}x{'all' if space.stem.collapse else stem_columns}"
    stages = []
    for number, spec in enumerate(space.stages):
        kernels = [f"{rows}x{columns}" for rows, columns in (spec.kernels[k] for k in genome.kernels[number])]
        own = genome.expansions[number]
        if len(own) == len(kernels) and space.family == "inverted_residual":
            kernels = [f"{k}\u00a0e{spec.expansions[e]:g}" for k, e in zip(kernels, own, strict=True)]
        stages.append(f"{stage_channels(space, genome, number)}: {', '.join(kernels)}")
    return f"{space.title(genome.space)} | {stem} | {' | '.join(stages)}"


@dataclass(frozen=True)
class Energy:
    """`seconds` by stage, and the watt-hours that all of them took at `watts` throughout; 0 when no draw is known."""

    seconds: tuple[tuple[str, float], ...]
    watts: float

    @property
    def total_seconds(self) -> float:
        return sum(seconds for _, seconds in self.seconds)

    @property
    def unit(self) -> tuple[str, float]:
        """What to show times in, and how many seconds that is: short searches would be nothing in minutes."""
        return ("minutes", 60.0) if self.total_seconds >= 120 else ("seconds", 1.0)

    @property
    def watt_hours(self) -> float:
        return self.total_seconds / 3600 * self.watts


def energy(record: SearchRecord) -> Energy:
    """What the search has cost so far."""
    seconds = (record.seconds or {}).items()
    return Energy(tuple((STAGES.get(name, name), s) for name, s in seconds), record.watts)


def front_of(record: SearchRecord) -> tuple[tuple[int, Evaluated], ...]:
    """(index, candidate) of the Pareto set, the most accurate first."""
    chosen = [(i, record.evaluations[i]) for i in record.pareto]
    return tuple(sorted(chosen, key=lambda item: (-item[1].accuracy, item[1].cost.cycles, item[0])))


def number(value: float) -> str:
    """Three significant digits and never an exponent: 0.0123, 1.23, 123."""
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def counted(many: int, what: str) -> str:
    """A number of things: "1 space", "1,200 spaces"."""
    return f"{many:,} {what}{'' if many == 1 else 's'}"
