"""Everything a search leaves behind, as plain data: what it was asked, what it tried, what it chose. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from tinyml.compiler.cost import NetworkCost
from tinyml.errors import ProjectError
from tinyml.nas.budget import Budget
from tinyml.nas.space import Genome, SearchSpace, Space
from tinyml.storage import write_text


@dataclass(frozen=True)
class Counts:
    """How much work a search does: fixed before it starts, so that a resumed one ends as an uninterrupted one.
    `random_evaluations`: of a random search to compare with. The best `finalists` are trained on by themselves for
    `finalist_steps` before one is chosen."""

    samples_per_space: int
    largest_steps: int
    supernet_steps: int
    population: int
    evaluations: int
    random_evaluations: int = 0
    finalists: int = 1
    finalist_steps: int = 1


@dataclass(frozen=True)
class SpaceResult:
    """One space of stage 1: `fitting` of `sampled` networks met the budget; `macs` of those, ascending."""

    space: Space
    sampled: int
    macs: tuple[int, ...]

    @property
    def fitting(self) -> int:
        return len(self.macs)

    @property
    def mean_macs(self) -> float:
        """0 when no network fits."""
        return sum(self.macs) / len(self.macs) if self.macs else 0.0


@dataclass(frozen=True)
class Evaluated:
    """A candidate: accuracy on the fitness examples with weights of the supernet, and its cost. `generation` 0 is the
    initial population."""

    genome: Genome
    accuracy: float
    cost: NetworkCost
    generation: int = 0


@dataclass(frozen=True)
class Baseline:
    """A network to compare with, trained by itself."""

    name: str
    accuracy: float
    cost: NetworkCost


@dataclass(frozen=True)
class Final:
    """The chosen network after fine-tuning and quantisation: accuracies on the fitness examples, what the compiler
    made of it, and cycles on the virtual board, where the board has one."""

    float_accuracy: float
    int8_accuracy: float
    arena_bytes: int
    flash_bytes: int
    measured_cycles: int | None


@dataclass(frozen=True)
class SearchRecord:
    """`budgets` are per geometry of `space`; `pareto` and `chosen` index `evaluations`; `finalists` are some of those
    again, with accuracies after some training of their own; `random` are the candidates of a random search with the
    same evaluator, when one was made; `seconds` is the time by stage."""

    board: str
    seed: int
    classes: int
    counts: Counts
    space: SearchSpace
    budgets: tuple[Budget, ...]
    spaces: tuple[SpaceResult, ...] = ()
    chosen_spaces: tuple[Space, ...] = ()
    losses: tuple[float, ...] = ()
    evaluations: tuple[Evaluated, ...] = ()
    pareto: tuple[int, ...] = ()
    chosen: int | None = None
    finalists: tuple[Evaluated, ...] = ()
    random: tuple[Evaluated, ...] = ()
    baselines: tuple[Baseline, ...] = ()
    final: Final | None = None
    seconds: dict[str, float] | None = None
    watts: float = 0.0

    def save(self, path: Path) -> None:
        """Write it as JSON. Raises: ProjectError."""
        write_text(path, TypeAdapter(SearchRecord).dump_json(self, indent=1).decode())

    @classmethod
    def load(cls, path: Path) -> SearchRecord:
        """What `save` wrote. Raises: ProjectError for a file that is no record."""
        try:
            return TypeAdapter(SearchRecord).validate_json(path.read_bytes())
        except (ValidationError, OSError) as error:
            raise ProjectError(f"{path} is not the record of a search",
                               hint="run `tinyml search --restart` to search anew") from error  # fmt: skip
