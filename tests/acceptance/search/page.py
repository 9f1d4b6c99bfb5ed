"""docs/search.md and its pictures, from the results of the steps that have run: numbers here, prose in page.md.j2."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

from tests.acceptance.search import choice, setting, voices
from tests.acceptance.search.baselines import GEOMETRY
from tests.acceptance.search.boards import LATENCY_MS, RUNTIME_FLASH_BYTES, RUNTIME_RAM_BYTES
from tests.acceptance.search.drawings import board_curves, ranking_points
from tests.acceptance.search.intervals import Gap, Interval
from tests.acceptance.search.searches import REFERENCE_ACCURACY, archive
from tests.acceptance.search.setting import CLASSES, COUNTS, REPOSITORY, SEEDS, SPEAKERS, WORK
from tests.acceptance.search.standings import compare, taught_against_labels
from tinyml.architecture import write_network
from tinyml.board import load_board
from tinyml.compiler.cost import NetworkCost
from tinyml.nas.pareto import front, hypervolume, points_of
from tinyml.nas.record import Baseline, Evaluated, SearchRecord
from tinyml.nas.search import best
from tinyml.nas.space import SearchSpace
from tinyml.nas.space_file import load_space
from tinyml.report.search_figures import save_figures
from tinyml.storage import write_text

FOLDER = REPOSITORY / "docs" / "search"
PARTS = {
    "boards": ("boards",),
    "baselines": ("baselines",),
    "spaces": ("spaces",),
    "supernets": tuple(f"supernet-{seed}" for seed in SEEDS),
    "searches": tuple(f"search-{seed}" for seed in SEEDS),
    "ablation": tuple(f"ablation-{seed}" for seed in SEEDS),
    "ranking": ("ranking-alone", "ranking"),
    "choice": ("pick-full", "pick-tight", "refine-full", "refine-tight"),
    "labels": tuple(f"rotation-{speaker}" for speaker in SPEAKERS),
    "taught": tuple(f"taught-{speaker}" for speaker in SPEAKERS),
}
"""The steps by the part of the page that needs them, in the order in which they run."""
STEPS = tuple(step for steps in PARTS.values() for step in steps)
ARMS = ("chosen", "random", "all")


@dataclass(frozen=True)
class Results:
    """What steps have found, and how many minutes they took, by step; steps that have not run are absent."""

    found: Mapping[str, Any]
    minutes: Mapping[str, float]

    @property
    def missing(self) -> tuple[str, ...]:
        return tuple(step for step in STEPS if step not in self.found)

    def has(self, *steps: str) -> bool:
        return all(step in self.found for step in steps)


def write() -> None:
    """Write the page of the steps that have run, and its pictures."""
    there = [step for step in STEPS if setting.result_path(step).is_file()]
    results = Results({s: setting.result(s) for s in there}, {s: setting.minutes(s) for s in there})
    lacks = lacking(WORK / "vision-spaces", results.found["boards"]) if results.has("boards") else {}
    spaces = {"kws": setting.space(), "vision": load_space("vision", WORK)}
    text = render(results, spaces, pictures=draw(results), lacks=lacks, volumes=without_first(results))
    for limit in ("full", "tight"):
        if results.has(f"refine-{limit}"):
            write_network(choice.network(limit), FOLDER / f"{limit}.toml")
    write_text(REPOSITORY / "docs" / "search.md", text)
    setting.say("docs/search.md" + (f" (without {', '.join(results.missing)})" if results.missing else ""))


def draw(results: Results) -> frozenset[str]:
    """Draw what there is data for; returns the names."""
    drawn = set()
    if results.has("boards"):
        drawn.add(board_curves(results.found["boards"], FOLDER / "boards.svg").stem)
    if results.has("ranking", "ranking-alone"):
        ranking, alone = results.found["ranking"], results.found["ranking-alone"]
        drawn.add(ranking_points(ranking, alone, FOLDER / "ranking.svg").stem)
    if results.has("baselines", f"search-{SEEDS[0]}"):
        drawn |= {path.stem for path in save_figures(record(results), FOLDER, load_board("nrf52840").isa)}
    return frozenset(drawn)


def record(results: Results) -> SearchRecord:
    """The first seed's searches as a record, beside them the hand-made networks that the finals take (trained by
    themselves)."""
    seed, baselines = SEEDS[0], results.found["baselines"]
    best_made = [limit["best"] for limit in baselines.values()]
    found, losses = archive("evolution", seed), results.found.get(f"supernet-{seed}", {}).get("losses", ())
    return SearchRecord(
        "nrf52840", seed, CLASSES, COUNTS, setting.space(), setting.budgets(NetworkCost(**baselines["full"]["limit"])),
        losses=tuple(losses), evaluations=found, pareto=front(points_of(found)), chosen=best(found),
        random=archive("random", seed),
        baselines=tuple(Baseline("{arch} d{depth} x{width_mult:g}".format(**row["network"]), row["accuracy"],
                                 NetworkCost(**row["cost"])) for row in best_made),
    )  # fmt: skip


def without_first(results: Results) -> dict[int, float]:
    """By seed, the hypervolume of evolution, as steps measure it, without the candidate that it starts with."""
    if not results.has("baselines"):
        return {}
    ceiling = results.found["baselines"]["full"]["limit"]["cycles"]
    return {seed: share_dominated(archive("evolution", seed)[1:], ceiling)
            for seed in SEEDS if results.has(f"search-{seed}")}  # fmt: skip


def share_dominated(found: Sequence[Evaluated], ceiling: int) -> float:
    """The hypervolume of (accuracy, cycles) as a share of what a perfect network of no cycles would have."""
    area = hypervolume([(e.accuracy, e.cost.cycles) for e in found], (REFERENCE_ACCURACY, ceiling))
    return area / ((1 - REFERENCE_ACCURACY) * ceiling)


def render(
    results: Results, spaces: Mapping[str, SearchSpace], *, pictures: frozenset[str] = frozenset(),
    lacks: Mapping[str, Lacks] | None = None, volumes: Mapping[int, float] | None = None,
) -> str:  # fmt: skip
    """The page. `spaces`: "kws" and "vision"; `pictures`: names of what was drawn; where they are known, `lacks` by
    board and `volumes`, those of `without_first`, by seed."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), undefined=jinja2.StrictUndefined, autoescape=False,
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    environment.filters |= {"points": points, "count": "{:,}".format, "fixed": fixed, "interval": interval,
                            "code": "`{}`".format}  # fmt: skip
    found = results.found
    taught, on_labels = (compare(found, spaces["kws"], step) for step in ("taught", "rotation"))
    both = taught is not None and on_labels is not None and taught.speakers == on_labels.speakers
    return environment.get_template("page.md.j2").render(
        results=results, setting=setting, space=spaces["kws"], pictures=pictures, limits=found.get("baselines", {}),
        boards=boards_of(found["boards"], spaces["vision"], lacks or {}) if results.has("boards") else None,
        searches=[SearchRow.of(s, found[f"search-{s}"], (volumes or {}).get(s))
                  for s in SEEDS if results.has(f"search-{s}")],
        ranking=Ranking.of(found["ranking"], found["ranking-alone"])
        if results.has("ranking", "ranking-alone") else None,
        ablation=ablation_of(results), finals=taught, on_labels=on_labels,
        against_labels=taught_against_labels(taught, on_labels) if both else {}, time=Time(results.minutes),
        verdict=verdict, parts=PARTS, choice=choice, voices=voices, hand_made_input=GEOMETRY.title,
        latency_ms=LATENCY_MS, taken_bytes=(RUNTIME_RAM_BYTES, RUNTIME_FLASH_BYTES),
    )  # fmt: skip


# ---- words for numbers -----------------------------------------------------------------------------------------------


def verdict(must: bool | None = None, goal: bool | None = None, *, whole: bool = True) -> str:
    """Whether a figure is reached; None where it has no such limit; not `whole`: of a part of the results."""
    if must is None and goal is None:
        raise ValueError("a verdict needs a must or a goal")
    if must is False:
        said = "**missed**"
    elif goal is None:
        said = "reached"
    else:
        said = "goal reached" if goal else "must reached, goal missed" if must else "goal missed"
    return said if whole else f"so far: {said}"


def fixed(value: float, digits: int = 3) -> str:
    return f"{value:.{digits}f}" if math.isfinite(value) else "undefined"


def points(value: float, digits: int = 1) -> str:
    """A difference of shares in points, with its sign."""
    return f"{100 * value:+.{digits}f}" if math.isfinite(value) else "undefined"


def interval(value: Interval) -> str:
    return f"{points(value.low)} to {points(value.high)}"


# ---- boards ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Lacks:
    """Shares of all networks that need more RAM, flash or cycles than a board has; one network may lack several."""

    ram: float
    flash: float
    cycles: float

    @property
    def binding(self) -> str:
        """What excludes most networks."""
        return max(("RAM", self.ram), ("flash", self.flash), ("cycles", self.cycles), key=lambda item: item[1])[0]


def lacking(folder: Path, found: dict[str, Any]) -> dict[str, Lacks]:
    """What excludes networks, by board, from the files of the table that stage 1 has filtered; nothing when they are
    not all there, or not those that the result is of."""
    files = sorted(folder.glob("[!.]*.npz"))
    if not files:
        return {}
    tables = [np.load(path) for path in files]
    arena, flash, cycles = (np.concatenate([t[c] for t in tables]) for c in ("arena_bytes", "flash_bytes", "cycles"))
    lacks = {}
    for name, board in found["boards"].items():
        over = arena > board["ram_bytes"], flash > board["flash_bytes"], cycles > board["cycles"]
        fitting = int((~np.any(over, axis=0)).sum())
        if len(arena) != found["networks"] or fitting != sum(s["fitting"] for s in board["spaces"]):
            return {}
        lacks[name] = Lacks(*(float(lack.mean()) for lack in over))
    return lacks


@dataclass(frozen=True)
class BoardRow:
    """A board, its budgets and its chosen space; `how`: in words, against the first board's."""

    name: str
    ram_bytes: int
    flash_bytes: int
    cycles: int
    title: str
    fitting: int
    sampled: int
    mean_macs: float
    share_of_all: float
    own: bool
    how: str
    lacks: Lacks | None


@dataclass(frozen=True)
class Boards:
    seconds: float
    networks: int
    spaces: int
    rows: tuple[BoardRow, ...]

    @property
    def fast(self) -> bool:
        return self.seconds <= 300 and self.networks >= 108_000

    @property
    def others(self) -> int:
        """Boards whose space is not the first board's."""
        return sum(row.own for row in self.rows[1:])


def boards_of(found: dict[str, Any], space: SearchSpace, lacks: Mapping[str, Lacks]) -> Boards:
    rows, first = [], next(iter(found["boards"].values()))
    for name, board in found["boards"].items():
        chosen, reference = (next(s for s in b["spaces"] if s["space"] == b["chosen"]) for b in (board, first))
        rows.append(BoardRow(
            name, board["ram_bytes"], board["flash_bytes"], board["cycles"], board["title"], chosen["fitting"],
            chosen["sampled"], float(np.mean(chosen["macs"])),
            sum(s["fitting"] for s in board["spaces"]) / sum(s["sampled"] for s in board["spaces"]),
            board["chosen"] != first["chosen"], differs(chosen, reference, space), lacks.get(name),
        ))  # fmt: skip
    return Boards(found["seconds"], found["networks"], len(first["spaces"]), tuple(rows))


def differs(chosen: dict[str, Any], reference: dict[str, Any], space: SearchSpace) -> str:
    """How a space differs from another: input, width, and the networks that fit."""
    inputs = [space.geometries[s["space"][0]] for s in (reference, chosen)]
    widths = [space.widths[s["space"][1]] for s in (reference, chosen)]
    times = np.mean(chosen["macs"]) / np.mean(reference["macs"])
    resolution = moved(*(g.height * g.width for g in inputs), *(g.title for g in inputs))
    width = moved(*widths, *(f"{w:g}" for w in widths))
    return f"the input {resolution}, the width {width}; the networks that fit have {times:.2f} times the MACs"


def moved(old: float, new: float, old_title: str, new_title: str) -> str:
    if new == old:
        return f"stays {old_title}"
    return f"{'rises' if new > old else 'falls'} from {old_title} to {new_title}"


# ---- searches, ranking, ablation -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SearchRow:
    """Hypervolume and best accuracy of both searches of a seed; `without_first`: evolution's hypervolume without its
    first candidate, if known."""

    seed: int
    evolution: float
    random: float
    evolution_best: float
    random_best: float
    evaluations: tuple[int, int]
    without_first: float | None

    @classmethod
    def of(cls, seed: int, found: dict[str, Any], without_first: float | None) -> SearchRow:
        a, b = found["evolution"], found["random"]
        counts = a["evaluations"], b["evaluations"]
        return cls(seed, a["hypervolume"], b["hypervolume"], a["best"], b["best"], counts, without_first)

    @property
    def above(self) -> bool:
        return self.evolution > self.random


@dataclass(frozen=True)
class Ranking:
    """Kendall's tau by seed, with intervals over the networks; `spread` of their own accuracies."""

    networks: int
    spread: float
    taus: dict[str, float]
    intervals: dict[str, Interval]

    @classmethod
    def of(cls, found: dict[str, Any], alone: dict[str, Any]) -> Ranking:
        seeds = found["seeds"]
        return cls(len(alone["alone"]), found["spread"], {seed: row["tau"] for seed, row in seeds.items()},
                   {seed: Interval(*row["interval"]) for seed, row in seeds.items()})  # fmt: skip

    @property
    def spread_enough(self) -> bool:
        return self.networks >= 16 and self.spread >= 0.08

    def at_least(self, tau: float) -> bool:
        """In every seed."""
        return all(found >= tau for found in self.taus.values())

    def unsure(self, tau: float) -> list[str]:
        """The seeds whose intervals hold `tau`, or are undefined."""
        return [seed for seed, found in self.intervals.items() if not (found.low > tau or found.high < tau)]


@dataclass(frozen=True)
class Ablation:
    """Rows by seed, as the steps give them, and what the chosen space's best network gains over other arms' alone."""

    rows: dict[int, dict[str, Any]]
    means: dict[str, float]
    gaps: dict[str, Gap]


def ablation_of(results: Results) -> Ablation | None:
    rows = {seed: results.found[f"ablation-{seed}"] for seed in SEEDS if results.has(f"ablation-{seed}")}
    if not rows:
        return None
    alone = {arm: [row[arm]["alone"] for row in rows.values()] for arm in ARMS}
    gaps = {arm: Gap(tuple(np.subtract(alone["chosen"], alone[arm]).tolist())) for arm in ARMS[1:]}
    return Ablation(rows, {arm: float(np.mean(alone[arm])) for arm in ARMS}, gaps)


@dataclass(frozen=True)
class Time:
    """Minutes by step."""

    minutes: Mapping[str, float]

    @property
    def longest(self) -> str:
        return max(self.minutes, key=lambda step: self.minutes[step])

    @property
    def total(self) -> float:
        return sum(self.minutes.values())
