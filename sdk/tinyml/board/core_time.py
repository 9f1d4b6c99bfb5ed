"""How long a core takes for what the Cortex-M4 does in a counted number of cycles, and the fit behind it.

Cycles are counted and estimated for the Cortex-M4. Another core of the same instruction set runs the same code in
`factor` times as many cycles. The factor is fitted to published times of the same software on both cores, which lie
beside arch.toml in `CORE-time.toml`; `tests/unit/test_core_time.py` holds arch.toml to the fit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tinyml.board.schema import MeasuredTable, TimesFile, read_file


@dataclass(frozen=True)
class CoreTime:
    """Cycles of a core relative to those of the Cortex-M4 for the same code.

    `residual_rms` and `residual_max` are relative errors of the fit over its points: 0.1 is 10 % of the time. Both are
    0 for the Cortex-M4 itself.
    """

    factor: float
    residual_rms: float
    residual_max: float
    source: str


@dataclass(frozen=True)
class TimePair:
    """One network in one engine on both cores: cycles of an inference, clock times latency."""

    software: str
    network: str
    board: str
    cycles_m4: float
    cycles: float

    @property
    def ratio(self) -> float:
        return self.cycles / self.cycles_m4


def read_pairs(path: Path) -> tuple[TimePair, ...]:
    """The pairs of a `CORE-time.toml`. Raises: ProjectError."""
    return tuple(
        TimePair(run.software, network, other.board, _cycles(run.cortex_m4, network), _cycles(other, network))
        for run in read_file(TimesFile, path).run for other in run.others
        for network in run.cortex_m4.inferences_per_second if network in other.inferences_per_second
    )  # fmt: skip


def fit(pairs: Sequence[TimePair]) -> tuple[float, float, float]:
    """(factor, rms, largest) of the relative errors `factor / ratio - 1`.

    The factor is the least-squares constant in the log domain, the geometric mean of the ratios: errors of a factor,
    up or down, weigh the same, and large networks weigh no more than small ones.
    """
    factor = math.exp(sum(math.log(pair.ratio) for pair in pairs) / len(pairs))
    errors = [factor / pair.ratio - 1 for pair in pairs]
    return factor, math.sqrt(sum(e * e for e in errors) / len(errors)), max(abs(e) for e in errors)


def _cycles(table: MeasuredTable, network: str) -> float:
    return table.hz / table.inferences_per_second[network]
