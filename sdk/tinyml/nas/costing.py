"""What a genome costs, from the compiler itself. No torch: worker processes that cost networks import this."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from tinyml.architecture import weightless
from tinyml.board import Isa
from tinyml.compiler.cost import NetworkCost, network_cost
from tinyml.nas.space import Genome, SearchSpace, architecture


@dataclass(frozen=True)
class Costs:
    """The costs of the networks of one space on one instruction set; every genome is costed once.

    A copy that was sent to another process starts with what was known when it was sent.
    """

    space: SearchSpace
    classes: int
    isa: Isa
    known: dict[tuple[Genome, bool], NetworkCost] = field(default_factory=dict, compare=False, repr=False)

    def cost(self, genome: Genome) -> NetworkCost:
        """What the compiler will need, layers that run row by row included."""
        return self._cost(genome, rows=True)

    def quick(self, genome: Genome) -> NetworkCost:
        """Without layers that run row by row: never a smaller arena than `cost`, in a fraction of the time."""
        return self._cost(genome, rows=False)

    def judged(
        self, genome: Genome, *, hopeless: Callable[[NetworkCost], bool], needs_rows: Callable[[NetworkCost], bool]
    ) -> NetworkCost:
        """As much as it takes to judge a network, not remembered: what no schedule goes below if that is `hopeless`,
        else `quick` unless that `needs_rows`, else `cost`."""
        graph = weightless.graph(architecture(self.space, genome, self.classes))
        return network_cost(graph, self.isa, rows=needs_rows, hopeless=hopeless)

    def _cost(self, genome: Genome, *, rows: bool) -> NetworkCost:
        key = (genome, rows)
        if key not in self.known:
            arch = architecture(self.space, genome, self.classes)
            self.known[key] = network_cost(weightless.graph(arch), self.isa, rows=rows)
        return self.known[key]
