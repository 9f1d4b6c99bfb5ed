"""`make search-figures STEP=...`: what the search is worth, on real spoken digits. Results end in docs/search.md.

Without a step all of them run in order; a step whose result is there is not run again. Every one goes on where it was
killed, takes at most an hour on two cores, and all together at most eight.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from tests.acceptance.search import baselines, boards, choice, finals, ranking, searches, spaces, supernets
from tests.acceptance.search.setting import CLIPS, SEEDS, SPEAKERS, bars, keep, result_path, say


class Run(Protocol):
    def __call__(self) -> Any: ...


@dataclass(frozen=True)
class Step:
    """A part of the figures; `run` gives JSON-able results. It needs what stands before it."""

    name: str
    run: Run


STEPS = (
    Step("boards", boards.spaces),
    Step("baselines", baselines.choose),
    Step("spaces", spaces.compare),
    *(Step(f"supernet-{seed}", partial(supernets.train, seed)) for seed in SEEDS),
    *(Step(f"search-{seed}", partial(searches.compare, seed)) for seed in SEEDS),
    *(Step(f"ablation-{seed}", partial(searches.ablation, seed)) for seed in SEEDS),
    Step("ranking-alone", ranking.train),
    Step("ranking", ranking.correlate),
    *(Step(f"pick-{limit}", partial(choice.pick, limit)) for limit in ("full", "tight")),
    *(Step(f"refine-{limit}", partial(choice.refine, limit)) for limit in ("full", "tight")),
    *(Step(f"rotation-{speaker}", partial(finals.judge, speaker)) for speaker in SPEAKERS),
    *(Step(f"taught-{speaker}", partial(finals.judge_taught, speaker)) for speaker in SPEAKERS),
)


def main(names: list[str]) -> int:
    known = [step.name for step in STEPS] + ["page"]
    unknown = [name for name in names if name not in known]
    if unknown:
        say(f"there is no step {', '.join(unknown)}; steps: {', '.join(known)}")
        return 2
    if not CLIPS.is_dir():
        say(f"skipped: the recordings in {CLIPS} are absent")
        return 0
    with bars().shown():
        for step in STEPS:
            if step.name in names or not names:
                take(step, again=step.name in names)
    if not names or "page" in names:
        from tests.acceptance.search import page

        page.write()
    return 0


def take(step: Step, *, again: bool) -> None:
    """Run a step and keep its result with its seconds; `again` although there is one."""
    if result_path(step.name).is_file() and not again:
        return
    say(f"\n{step.name}")
    started = time.monotonic()
    found = step.run()
    keep(step.name, {"minutes": (time.monotonic() - started) / 60, "found": found})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
