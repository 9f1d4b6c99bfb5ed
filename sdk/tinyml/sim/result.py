"""What a run on the virtual board measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tinyml.sim.faults import Fault, MissedDeadline


@dataclass(frozen=True)
class SimResult:
    """Counts of one run. Cycles are of the core at zero flash wait states; `duty` includes the board's time factor.

    active_cycles: awake; cycles: sleep included. duty: share of the time in which the processor is awake.
    functions: cycles in each function itself, all interrupts included, "(exceptions)" for entry and return, "(busy
    wait)" never: polled time counts for the polling function. layers: cycles of one call, kernels that it calls
    included, interrupts excluded. ram_static_bytes: data and zeroed variables, buffers and arena, without the stack.
    lost_samples: overwritten by the microphone's DMA or dropped by the firmware (`tm_lost_samples`).
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
    misses: tuple[MissedDeadline, ...] = field(default=())  # the first of the missed deadlines, with their places
