"""The final networks beside each other: accuracies over rotations and seeds, paired differences, what is saved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from tests.acceptance.search.intervals import Interval, bootstrap
from tests.acceptance.search.setting import SEEDS, SPEAKERS
from tinyml.compiler.cost import NetworkCost
from tinyml.nas.space import Genome, SearchSpace
from tinyml.report.search_facts import described

NEEDED = ("baselines", "pick-full", "pick-tight", "refine-full", "refine-tight")
"""The steps whose results the comparison shows, besides the rotations'."""
_GENOME = TypeAdapter(Genome)


@dataclass(frozen=True)
class Standing:
    """A final network over rotations and seeds; `correct` by held-out speaker: bool [seeds, clips], in int8."""

    kind: str
    what: str
    cost: NetworkCost
    float_accuracy: float
    int8_accuracy: float
    correct: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Difference:
    """One network less another, in shares of clips: the mean, by speaker, and 95 % over clips and over runs."""

    mean: float
    speakers: dict[str, float]
    runs: int
    over_clips: Interval
    over_runs: Interval

    @property
    def sign(self) -> int:
        """1 or -1 when both intervals lie on that side of zero; 0: these data cannot tell."""
        return self.over_clips.sign if self.over_clips.sign == self.over_runs.sign else 0


def difference(a: Standing, b: Standing) -> Difference:
    """Runs (rotation, seed) and clips are paired; over clips, the mean of a clip's seeds is drawn."""
    gaps = {speaker: hits.astype(float) - b.correct[speaker] for speaker, hits in a.correct.items()}
    per_clip = np.concatenate([gap.mean(axis=0) for gap in gaps.values()])
    per_run = np.concatenate([gap.mean(axis=1) for gap in gaps.values()])
    # Whole clips are summed: thirds of them would leave equal networks a rounding apart.
    mean = sum(gap.sum() for gap in gaps.values()) / sum(gap.size for gap in gaps.values())
    return Difference(float(mean), {s: float(gap.mean()) for s, gap in gaps.items()}, len(per_run),
                      bootstrap(per_clip), bootstrap(per_run))  # fmt: skip


@dataclass(frozen=True)
class Comparison:
    """A searched network beside a hand-made one."""

    searched: Standing
    rival: Standing

    @cached_property
    def difference(self) -> Difference:
        return difference(self.searched, self.rival)

    @property
    def fewer(self) -> tuple[float, float]:
        """Shares of the rival's cycles and arena that the searched network saves."""
        a, b = self.searched.cost, self.rival.cost
        return 1 - a.cycles / b.cycles, 1 - a.arena_bytes / b.arena_bytes

    @property
    def much_smaller(self) -> bool:
        return min(self.fewer) >= 0.4


def hand_made(network: dict[str, Any]) -> str:
    return f"{network['arch']} x{network['width_mult']:g}, depth {network['depth']}"


def compared(
    found: Mapping[str, Any], limit: str, space: SearchSpace, speakers: tuple[str, ...], step: str
) -> Comparison:
    """The networks of a limit, over the rotations that have run."""
    pick, made = found[f"refine-{limit}"], found["baselines"][limit]["best"]
    what = {
        "searched": described(space, _GENOME.validate_python(pick["genome"])),
        "hand-made": hand_made(made["network"]),
    }

    def standing(kind: str, cost: dict[str, int]) -> Standing:
        runs = {s: [found[f"{step}-{s}"][f"{limit}/{kind}/{seed}"] for seed in SEEDS] for s in speakers}
        means = [float(np.mean([row[which] for own in runs.values() for row in own]))
                 for which in ("float_accuracy", "int8_accuracy")]  # fmt: skip
        return Standing(kind, what[kind], NetworkCost(**cost), *means,
                        {s: np.array([row["correct"] for row in own]) for s, own in runs.items()})  # fmt: skip

    return Comparison(standing("searched", pick["cost"]), standing("hand-made", made["cost"]))


@dataclass(frozen=True)
class Finals:
    """`by_limit`: both at the same cost; `across`: the searched one of the tight cost beside the hand-made one of the
    full cost. `speakers`: the rotations that have run."""

    speakers: tuple[str, ...]
    by_limit: dict[str, Comparison]
    across: Comparison

    @property
    def whole(self) -> bool:
        return self.speakers == SPEAKERS


def taught_against_labels(taught: Finals, on_labels: Finals) -> dict[str, Difference]:
    """By limit, the searched network taught less the hand-made one that learnt the labels."""
    return {limit: difference(c.searched, on_labels.by_limit[limit].rival) for limit, c in taught.by_limit.items()}


def compare(found: Mapping[str, Any], space: SearchSpace, step: str) -> Finals | None:
    """From the results by step; `step`: the name of the rotations', without the speaker. None before one has run."""
    speakers = tuple(s for s in SPEAKERS if f"{step}-{s}" in found)
    if not speakers or not {*NEEDED} <= found.keys():
        return None
    full, tight = (compared(found, limit, space, speakers, step) for limit in ("full", "tight"))
    return Finals(speakers, {"full": full, "tight": tight}, Comparison(tight.searched, full.rival))
