"""The project's hand-made networks, scaled to what a searched one costs: what a search has to beat."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from tinyml.board import Isa
from tinyml.compiler.cost import NetworkCost, network_cost
from tinyml.ir.tensor import QuantParams
from tinyml.models import build
from tinyml.quant import QatNetwork, lower

WIDTHS = tuple(round(0.05 * i, 2) for i in range(60, 3, -1))
"""Width multipliers that are tried, widest first."""


def cost_of(model: nn.Module, input_shape: tuple[int, ...], input_quant: QuantParams, isa: Isa) -> NetworkCost:
    """What the compiler needs for a network of any weights; `input_shape` without the batch axis.

    Raises: ProjectError for layers that cannot be lowered.
    """
    return network_cost(lower(QatNetwork.of(model.eval(), input_quant, input_shape)), isa, rows=True)


def within(cost: NetworkCost, limit: NetworkCost) -> bool:
    """Whether a network needs no more cycles and no more arena."""
    return cost.cycles <= limit.cycles and cost.arena_bytes <= limit.arena_bytes


def widest(make: Callable[[float], nn.Module], cost: Callable[[nn.Module], NetworkCost],
           limit: NetworkCost) -> tuple[float, NetworkCost] | None:  # fmt: skip
    """The widest of the networks `make(width_mult)` that is `within` the limit, and its cost; None if there is none."""
    for width in WIDTHS:
        found = cost(make(width))
        if within(found, limit):
            return width, found
    return None


def scaled(
    arch: str, window: tuple[int, int], classes: int, limit: NetworkCost, *, input_quant: QuantParams, isa: Isa
) -> tuple[float, NetworkCost] | None:
    """`widest` of the networks called `arch` for windows of (frames, mel_bins)."""
    return widest(lambda width: build(arch, window, classes, width_mult=width),
                  lambda model: cost_of(model, (1, *window), input_quant, isa), limit)  # fmt: skip
