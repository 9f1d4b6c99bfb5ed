"""Stage 1 of TinyNAS: which spaces hold the largest networks that fit the board. No torch: workers import this.

Networks of every space are drawn and costed, never trained: among networks that fit, those with more multiply-
accumulates tend to be better, so a space is as good as the mean of its fitting networks.
Source: Lin et al., "MCUNet: Tiny Deep Learning on IoT Devices", 2020, section 3.1.

Network i of space s depends on the seed, s and i alone, and each finished chunk is a file of its own: what workers do
it, in how many parts and after how many interruptions, the table is the same.
"""

from __future__ import annotations

import gc
import hashlib
import zipfile
from collections.abc import Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path

import joblib
import numpy as np

import tinyml
from tinyml.compiler.cost import NetworkCost
from tinyml.errors import Progress, ProjectError, no_progress
from tinyml.nas.budget import Budget
from tinyml.nas.costing import Costs
from tinyml.nas.record import SpaceResult
from tinyml.nas.space import Genome, SearchSpace, Space, sample
from tinyml.storage import writing

CHUNK = 250
"""Networks of one file: what a kill loses per worker."""
MOST_WON = 4.25
"""Rows at a time shrink an arena by at most this factor: 4.14 was the most in 180 inverted residual networks of six
spaces (48 to 224 pixels, widths 0.2 to 1), whose medians were 1.3 to 2.4. Networks that need more are not costed a
second time."""
LEAST_SHARE, LEAST_FITTING = 0.05, 5
"""Of the networks of a space, which part and how many must fit for its mean to count: that of a few lucky ones says
nothing about a space, and evolution draws from it until networks fit."""


@dataclass(frozen=True)
class CostTable:
    """Costs of `samples` networks of every space: int64 [spaces, samples] each. Networks that only fit a budget row by
    row are in it as they run row by row; those that are too slow or too large for every budget by any schedule, with
    what no schedule goes below."""

    spaces: tuple[Space, ...]
    macs: np.ndarray
    cycles: np.ndarray
    arena_bytes: np.ndarray
    flash_bytes: np.ndarray

    @property
    def samples(self) -> int:
        return self.macs.shape[1]


_COLUMNS = tuple(f.name for f in fields(CostTable) if f.name != "spaces")


def sampled(space: SearchSpace, seed: int, number: int, index: int) -> Genome:
    """Network `index` of the space with that number, the same in every table of this seed."""
    return sample(space, np.random.default_rng((seed, number, index)), within=(space.spaces[number],))


def cost_spaces(
    costs: Costs, samples: int, *, seed: int, budgets: Sequence[Sequence[Budget]], folder: Path,
    workers: int | None = None, progress: Progress = no_progress,
) -> CostTable:  # fmt: skip
    """Cost `samples` networks of every space; what `folder` holds of an earlier run is not costed again.

    `budgets` are those of every board that will be asked about, each per geometry: they decide which networks are
    worth a look at how they run row by row. `workers`: processes, None for one per core.
    Raises: ProjectError when a worker dies; what is finished is kept.
    """
    _clear_partial(folder)
    key = _key(costs, seed, budgets)
    chunks = [(number, start, min(start + CHUNK, samples))
              for number in range(len(costs.space.spaces)) for start in range(0, samples, CHUNK)]  # fmt: skip
    paths = {chunk: folder / f"{key}-space{chunk[0]:03}-{chunk[1]:05}to{chunk[2]:05}.npz" for chunk in chunks}
    tables = {chunk: _read(path) for chunk, path in paths.items()}
    missing = [chunk for chunk, table in tables.items() if table is None]
    total = samples * len(costs.space.spaces)
    done = total - sum(stop - start for _, start, stop in missing)
    fresh = Costs(costs.space, costs.classes, costs.isa)
    jobs = (joblib.delayed(_costed)(fresh, seed, chunk, [b[_geometry(costs.space, chunk)] for b in budgets],
                                    paths[chunk]) for chunk in missing)  # fmt: skip
    parallel = joblib.Parallel(n_jobs=workers or joblib.cpu_count(), return_as="generator_unordered", batch_size=1)
    try:
        for chunk in parallel(jobs):
            tables[chunk] = _read(paths[chunk])
            done += chunk[2] - chunk[1]
            progress("networks costed", done, total)
    except BrokenProcessPool as error:
        raise ProjectError("a process that costs networks has died",
                           hint="run the command again: finished parts are kept; if memory is short, use fewer workers"
                           ) from error  # fmt: skip
    return CostTable(costs.space.spaces, **{name: _column(tables, chunks, name, samples) for name in _COLUMNS})


def _geometry(space: SearchSpace, chunk: tuple[int, int, int]) -> int:
    return space.spaces[chunk[0]][0]


def _key(costs: Costs, seed: int, budgets: Sequence[Sequence[Budget]]) -> str:
    """What the numbers of a chunk depend on, apart from its place."""
    parts = (tinyml.__version__, costs.space, costs.classes, costs.isa, seed, [tuple(b) for b in budgets])
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:12]


def _read(path: Path) -> dict[str, np.ndarray] | None:
    """The chunk in a file; None when there is none, or none that can be read."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as table:
            return {name: table[name] for name in _COLUMNS}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None


def _clear_partial(folder: Path) -> None:
    """Remove what killed workers were writing."""
    for path in folder.glob(".*.partial.npz"):
        path.unlink(missing_ok=True)


def _costed(
    costs: Costs, seed: int, chunk: tuple[int, int, int], budgets: Sequence[Budget], path: Path
) -> tuple[int, int, int]:
    number, start, stop = chunk
    with _uncollected():
        found = [_cost(costs, sampled(costs.space, seed, number, index), budgets) for index in range(start, stop)]
    table = {name: np.array([getattr(cost, name) for cost in found], np.int64) for name in _COLUMNS}
    with writing(path) as temporary:
        np.savez(temporary, **table)
    return chunk


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without looks for cyclic garbage, of which costs make none: what is remembered of layers is much to look at."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _cost(costs: Costs, genome: Genome, budgets: Sequence[Budget]) -> NetworkCost:
    """Without rows where that settles it: the network fits every budget's RAM, or rows cannot make it fit. What is too
    slow or too large for every budget by any schedule is not scheduled."""
    return costs.judged(genome, hopeless=lambda least: not any(_affordable(least, b) for b in budgets),
                        needs_rows=lambda quick: any(_rows_may_help(quick, b) for b in budgets))  # fmt: skip


def _rows_may_help(quick: NetworkCost, budget: Budget) -> bool:
    """Rows cost cycles and code: they only help a network that lacks nothing but RAM."""
    return budget.ram_bytes < quick.arena_bytes <= MOST_WON * budget.ram_bytes and _affordable(quick, budget)


def _affordable(cost: NetworkCost, budget: Budget) -> bool:
    """Whether the network fits but for RAM."""
    return cost.flash_bytes <= budget.flash_bytes and (budget.cycles is None or cost.cycles <= budget.cycles)


def _column(
    tables: dict[tuple[int, int, int], dict[str, np.ndarray]], chunks: Sequence[tuple[int, int, int]], name: str,
    samples: int,
) -> np.ndarray:  # fmt: skip
    joined = np.concatenate([tables[chunk][name] for chunk in chunks]) if chunks else np.zeros(0, np.int64)
    return joined.reshape(-1, samples)


def fitting(table: CostTable, budgets: Sequence[Budget]) -> tuple[SpaceResult, ...]:
    """What fits, by space; `budgets` are one board's, per geometry."""
    results = []
    for row, space in enumerate(table.spaces):
        budget = budgets[space[0]]
        fits = (table.arena_bytes[row] <= budget.ram_bytes) & (table.flash_bytes[row] <= budget.flash_bytes)
        if budget.cycles is not None:
            fits &= table.cycles[row] <= budget.cycles
        results.append(SpaceResult(space, table.samples, tuple(np.sort(table.macs[row][fits]).tolist())))
    return tuple(results)


def choose(results: Sequence[SpaceResult], count: int) -> tuple[Space, ...]:
    """The `count` spaces with the highest mean of multiply-accumulates among their fitting networks, best first.

    Spaces of which less than `LEAST_SHARE`, or fewer than `LEAST_FITTING` networks, fit come behind all others, by how
    many fit. Of equal ones the space with more fitting networks is first, then the one that is listed first. Spaces
    without any are never chosen, so that fewer than `count` may be.
    Raises: ProjectError when no network of any space fits.
    """
    able = [r for r in results if r.fitting]
    if not able:
        drawn = sum(r.sampled for r in results)
        raise ProjectError(f"none of {drawn:,} networks of the search space fits the board",
                           hint="allow smaller widths, fewer blocks or smaller inputs in the search space, or a longer "
                                "latency, or choose a larger board: `tinyml boards`")  # fmt: skip

    def rank(result: SpaceResult) -> tuple[bool, float, int]:
        counts = result.fitting >= max(LEAST_SHARE * result.sampled, min(LEAST_FITTING, result.sampled))
        return (not counts, -result.mean_macs if counts else 0.0, -result.fitting)

    return tuple(r.space for r in sorted(able, key=rank)[:count])
