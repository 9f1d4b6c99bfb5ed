"""What survives a kill: every candidate evaluated so far, written as a whole after each batch.

The order of candidates follows from the seed alone, so a search goes on from its list: it proposes the same candidates
again and evaluates those that are not on it.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from tinyml.compiler.cost import NetworkCost
from tinyml.errors import Progress, ProjectError
from tinyml.nas.record import Evaluated
from tinyml.nas.space import Genome
from tinyml.storage import writing

FORMAT = 1
Candidate = tuple[Genome, NetworkCost]


@dataclass(frozen=True)
class _Saved:
    format: int
    key: str
    evaluated: tuple[Evaluated, ...]


_SAVED = TypeAdapter(_Saved)


def state_key(*parts: object) -> str:
    """One hash of everything that decides which candidates come and what they reach: dataclasses, tuples, scalars."""
    dumped = TypeAdapter(tuple[object, ...]).dump_json(parts)
    return hashlib.sha256(dumped).hexdigest()


class SearchState:
    """The candidates evaluated so far, kept in the file `path`; `key` says of which search they are."""

    def __init__(self, path: Path, key: str) -> None:
        """Read what an earlier run left. Raises: ProjectError for a corrupt file and for the file of another search."""
        self.path, self.key = path, key
        self.evaluated: list[Evaluated] = list(self._load())
        self._of_genome = {e.genome: e for e in self.evaluated}

    def __len__(self) -> int:
        return len(self.evaluated)

    def __contains__(self, genome: Genome) -> bool:
        return genome in self._of_genome

    def before(self, generation: int) -> tuple[Evaluated, ...]:
        """Those of earlier generations."""
        return tuple(e for e in self.evaluated if e.generation < generation)

    def of(self, generation: int) -> tuple[Evaluated, ...]:
        return tuple(e for e in self.evaluated if e.generation == generation)

    def evaluate(
        self, candidates: Sequence[Candidate], generation: int, evaluate: Callable[[list[Genome]], list[float]], *,
        batch: int, total: int, progress: Progress, what: str,
    ) -> None:  # fmt: skip
        """Evaluate the candidates that are not known yet, `batch` at a time, saving after each batch: all that a kill
        can lose. Raises: ProjectError for an accuracy that is no number, and when the file cannot be written."""
        left = [(genome, cost) for genome, cost in candidates if genome not in self]
        for start in range(0, len(left), batch):
            progress(what, len(self), total)
            part = left[start : start + batch]
            accuracies = evaluate([genome for genome, _ in part])
            for (genome, cost), accuracy in zip(part, accuracies, strict=True):
                if not math.isfinite(accuracy):
                    raise ProjectError(f"the accuracy of a candidate is {accuracy}", details=[str(genome)],
                                       hint="its weights have diverged: run `tinyml search --restart`")  # fmt: skip
                self._add(Evaluated(genome, float(accuracy), cost, generation))
            self._save()
        progress(what, len(self), total)

    def _add(self, found: Evaluated) -> None:
        self.evaluated.append(found)
        self._of_genome[found.genome] = found

    def _save(self) -> None:
        saved = _Saved(FORMAT, self.key, tuple(self.evaluated))
        with writing(self.path, hint="free some space and run the search again: it goes on from here") as temporary:
            temporary.write_bytes(_SAVED.dump_json(saved))

    def _load(self) -> tuple[Evaluated, ...]:
        if not self.path.exists():
            return ()
        restart = "run `tinyml search --restart` to search anew"
        try:
            saved = _SAVED.validate_json(self.path.read_bytes())
        except (ValidationError, OSError) as error:
            raise ProjectError(f"`{self.path}` cannot be read: the state of the search is damaged",
                               hint=restart) from error  # fmt: skip
        if (saved.format, saved.key) != (FORMAT, self.key):
            raise ProjectError(f"`{self.path}` is the state of another search",
                               details=["its space, budgets, seed or supernet differ"], hint=restart)  # fmt: skip
        return saved.evaluated
