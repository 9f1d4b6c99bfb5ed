"""Stage 1 on the limit of the comparison: which spaces hold the largest networks within it."""

from __future__ import annotations

from typing import Any

from tests.acceptance.search.baselines import limits
from tests.acceptance.search.setting import COUNTS, WORK, bars, budgets, costs, space
from tinyml.nas.space_choice import choose, cost_spaces, fitting


def compare() -> dict[str, Any]:
    """All spaces by the MACs of their networks that fit, and the chosen one."""
    limit = budgets(limits()["full"])
    table = cost_spaces(costs(), COUNTS.samples_per_space, seed=0, budgets=[limit], folder=WORK / "spaces",
                        progress=bars())  # fmt: skip
    results = fitting(table, limit)
    rows = [{"title": space().title(r.space), "space": r.space, "fitting": r.fitting, "mean_macs": r.mean_macs}
            for r in results]  # fmt: skip
    return {"spaces": rows, "chosen": choose(results, 1)[0]}
