"""What is left on a board for a network, and whether one fits."""

from __future__ import annotations

from dataclasses import dataclass

from tinyml.compiler.cost import NetworkCost


@dataclass(frozen=True)
class Budget:
    """Most bytes of arena, most bytes of code and packed weights together, most cycles of one inference.

    Cycles are those that `network_cost` estimates (Cortex-M4 at zero wait states); what a board makes of them, its
    `time_factor` and the time model of its core, is taken into account by whoever makes the budget. None: no limit.
    """

    ram_bytes: int
    flash_bytes: int
    cycles: int | None = None

    def fits(self, cost: NetworkCost) -> bool:
        return (cost.arena_bytes <= self.ram_bytes and cost.flash_bytes <= self.flash_bytes
                and (self.cycles is None or cost.cycles <= self.cycles))  # fmt: skip
