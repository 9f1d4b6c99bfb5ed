"""What a run on the virtual board measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tinyml.sim.faults import Fault, MissedDeadline


@dataclass(frozen=True)
class SimResult:
    """Counts of one run. Cycles are of the core at zero flash wait states; `duty` includes the board's time factor.

    active_cycles: awake; cycles: sleep included. duty: share of the time in which the processor is awake.
    functions: cycles in each function itself, interrupt handlers among them, busy polls where they happen, and
    "(exceptions)" for entry to and return from handlers; they add up to active_cycles.
    layers: cycles of one inference, kernels that they call included, interrupts excluded.
    invocations: calls of `m_invoke`.
    ram_static_bytes: data, zeroed variables, buffers and arena, without the stack.
    gpio: (cycle, pin, level) of every change of a driven pin; P1's pins count from 32.
    lost_samples: overwritten by the microphone's DMA or dropped by the firmware (`tm_lost_samples`).
    missed_deadlines: how often that happened; `misses` holds the first of them with their places.
    """

    console: str
    cycles: int
    instructions: int
    active_cycles: int
    duty: float
    seconds: float
    host_seconds: float
    mips: float
    trace_sha256: str
    stack_high_water_bytes: int
    stack_bytes: int
    ram_static_bytes: int
    flash_bytes: int
    functions: Mapping[str, int]
    layers: Mapping[str, int]
    invocations: int
    gpio: tuple[tuple[int, int, int], ...]
    lost_samples: int
    missed_deadlines: int
    fault: Fault | None
    misses: tuple[MissedDeadline, ...] = ()
