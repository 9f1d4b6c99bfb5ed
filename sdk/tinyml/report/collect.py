"""What a report is made of: one frozen record of plain values, filled by whoever ran the stages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Curve:
    """A number over training: one value per `every` steps, the next curve continues where this one ends."""

    name: str
    values: tuple[float, ...]
    every: int = 1


@dataclass(frozen=True)
class Layer:
    """One layer per inference. `cycles` as measured on the virtual board (None: not run), `estimated_cycles` by the
    cost model; both at zero wait states. Bytes are flash."""

    name: str
    op: str
    macs: int
    estimated_cycles: int
    cycles: int | None = None
    weight_bytes: int = 0
    code_bytes: int = 0

    @property
    def shown_cycles(self) -> int:
        """The measured count where there is one."""
        return self.estimated_cycles if self.cycles is None else self.cycles


@dataclass(frozen=True)
class Tensor:
    """`name` lies at arena bytes [offset, offset + size) from `first_step` to `last_step`, both inclusive."""

    name: str
    offset: int
    size: int
    first_step: int
    last_step: int
    kind: str = "tensor"  # tensor | scratch


@dataclass(frozen=True)
class MemoryUse:
    """How a memory of the board is filled. `limit_bytes` is the project's own, `parts` are (name, bytes)."""

    name: str
    capacity_bytes: int
    parts: tuple[tuple[str, int], ...]
    limit_bytes: int | None = None

    @property
    def used_bytes(self) -> int:
        return sum(size for _, size in self.parts)


@dataclass(frozen=True)
class Simulation:
    """A run on the virtual board. `duty` is the active share of time, time factor applied; `functions` are cycles in
    the whole run; `heard` is (words heard, words spoken, false accepts), None when nobody said what was spoken."""

    seconds: float
    console: str
    cycles_per_inference: int
    milliseconds_per_inference: float
    invocations: int
    duty: float
    stack_high_water_bytes: int
    stack_bytes: int
    lost_samples: int
    missed_deadlines: int
    mips: float
    trace_sha256: str
    functions: Mapping[str, int]
    heard: tuple[int, int, int] | None = None
    fault: str | None = None


@dataclass(frozen=True)
class Mistake:
    """A window taken for something else: `features` int8 [frames, mel_bins], `score` (0 to 1) of `predicted`."""

    features: np.ndarray
    label: str
    predicted: str
    score: float


@dataclass(frozen=True)
class LedgerRow:
    """Clips of one source under one licence; `licence` is empty when nobody stated it."""

    source: str
    licence: str
    clips: int
    seconds: float


@dataclass(frozen=True)
class RunRecord:
    """Everything a report shows. Parts that a run did not produce stay empty; the report says so.

    `accuracies` are (what, share from 0 to 1, note). `confusion` is int[true, predicted] in the order of `labels`.
    `steps` names the steps of the memory plan. `hop_ms` and `mel_bins` scale the axes of the mistakes.
    """

    run_id: str
    project: str
    created: str
    version: str
    board: str
    board_product: str
    board_status: str
    cpu_hz: int
    time_factor: float
    compiler: str
    config: str
    labels: tuple[str, ...] = ()
    curves: tuple[Curve, ...] = ()
    accuracies: tuple[tuple[str, float, str], ...] = ()
    confusion: np.ndarray | None = None
    layers: tuple[Layer, ...] = ()
    steps: tuple[str, ...] = ()
    tensors: tuple[Tensor, ...] = ()
    arena_bytes: int = 0
    arena_lower_bound_bytes: int = 0
    memories: tuple[MemoryUse, ...] = ()
    simulation: Simulation | None = None
    mistakes: tuple[Mistake, ...] = ()
    hop_ms: float = 20.0
    ledger: tuple[LedgerRow, ...] = ()
    warnings: tuple[str, ...] = ()
