"""Kernels that few layers need: other kernels, which the network has anyway or which are smaller, take their layers.

Every layer's fastest variant is not the best network: a kernel costs its bytes once, however many layers use it.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tinyml.ir.op import Variant
from tinyml.ops.cost_table import CostTable

EXCHANGE = 0.25
"""Relative increase of a network's cycles that is worth one unit of relative decrease of its code."""
_MOST_ADDED = 0.03  # to the cycles of the fastest choices, unless a budget asks for more
_OTHER_EXCHANGES = (1.0, 4.0, 0.05, 0.0)


@dataclass(frozen=True)
class Choice:
    """What one layer costs with one kernel: `kernel` is the variant's name, `weight_bytes` its packed constants."""

    kernel: str
    cycles: int
    weight_bytes: int


@dataclass(frozen=True)
class LayerChoices:
    """The fastest choice of one layer for each kernel that can run it, and the variants behind them."""

    now: Choice
    options: Mapping[str, Choice]
    variants: Mapping[str, Variant]

    @classmethod
    def of(cls, now: Variant, costs: Mapping[Variant, tuple[int, int]]) -> LayerChoices:
        """`costs`: (cycles, bytes of packed constants) of every variant that the layer may run, `now` among them."""
        variants = {now.name: now}
        for v in costs:
            if v.name != now.name and (v.name not in variants or costs[v] < costs[variants[v.name]]):
                variants[v.name] = v
        options = {name: Choice(name, *costs[v]) for name, v in variants.items()}
        return cls(options[now.name], options, variants)

    def among(self, allowed: Collection[Variant]) -> LayerChoices:
        """Without the kernels whose variant is not allowed."""
        variants = {name: v for name, v in self.variants.items() if v in allowed}
        return LayerChoices(self.now, {name: self.options[name] for name in variants}, variants)


@dataclass(frozen=True)
class Budget:
    """What a network should keep to: bytes of code and packed constants, cycles of one inference; None for any."""

    flash_bytes: int | None = None
    cycles: int | None = None

    def excess(self, flash_bytes: float, cycles: int) -> float:
        """By how much the worse of both is exceeded, relative to the budget."""
        over = [found / most - 1 for found, most in ((flash_bytes, self.flash_bytes), (cycles, self.cycles)) if most]
        return max((0.0, *over))


def share_kernels(
    layers: Mapping[str, LayerChoices], table: CostTable, code_beside: float, budget: Budget = Budget()
) -> dict[str, Variant]:
    """The new variants of the layers that should change, by name.

    Where the usual exchange of cycles for code misses the budget, dearer and cheaper ones are tried too.
    """
    options = [layer.options for layer in layers.values()]
    best, least = None, 0.0
    for exchange in (EXCHANGE, *_OTHER_EXCHANGES):
        chosen = [layer.now for layer in layers.values()]
        limit = (1 + _MOST_ADDED) * sum(c.cycles for c in chosen) if exchange <= EXCHANGE else math.inf
        while move := best_move(chosen, options, table, code_beside, exchange, limit):
            chosen = [move.choices.get(i, c) for i, c in enumerate(chosen)]
        flash = code_beside + table.code_bytes({c.kernel for c in chosen}) + sum(c.weight_bytes for c in chosen)
        excess = budget.excess(flash, sum(c.cycles for c in chosen))
        if best is None or excess < least:
            best, least = chosen, excess
        if excess == 0:
            break
    picked = zip(layers.items(), best or (), strict=True)
    return {name: layer.variants[c.kernel] for (name, layer), c in picked if c.kernel != layer.now.kernel}


@dataclass(frozen=True)
class Move:
    """New choices for some layers, by the layer's index; `gain` is what they are worth."""

    gain: float
    choices: Mapping[int, Choice]


def best_move(
    chosen: Sequence[Choice], options: Sequence[Mapping[str, Choice]], table: CostTable, code_beside: float,
    exchange: float = EXCHANGE, most_cycles: float = math.inf,
) -> Move | None:  # fmt: skip
    """What is worth doing next, if anything is: `options` are the choices of each layer by kernel, its own included.

    A move gives all layers of one kernel to kernels that are there already, or all layers that can have it to a new
    one. Worth is exchange * (saved bytes / code) - (added cycles / cycles), both relative to the network as it is, its
    code of `code_beside` bytes that no move changes included. Packed constants that grow count as lost bytes. Moves to
    more than `most_cycles` are not worth anything.
    """
    cycles = max(1, sum(c.cycles for c in chosen))
    kernels = {c.kernel for c in chosen}
    now = table.code_bytes(kernels)
    best = None
    for choices in _candidates(chosen, options):
        gone = kernels - {c.kernel for i, c in enumerate(chosen) if i not in choices}
        after = kernels - gone | {c.kernel for c in choices.values()}
        saved = now - table.code_bytes(after) - sum(c.weight_bytes - chosen[i].weight_bytes for i, c in choices.items())
        added = sum(c.cycles - chosen[i].cycles for i, c in choices.items())
        gain = exchange * saved / (now + code_beside) - added / cycles
        if saved > 0 and gain > 0 and cycles + added <= most_cycles and (best is None or gain > best.gain):
            best = Move(gain, choices)
    return best


def _candidates(chosen: Sequence[Choice], options: Sequence[Mapping[str, Choice]]) -> Iterator[dict[int, Choice]]:
    layers: dict[str, list[int]] = {}
    for index, choice in enumerate(chosen):
        layers.setdefault(choice.kernel, []).append(index)
    for kernel, users in sorted(layers.items()):
        others = layers.keys() - {kernel}
        if choices := _given(users, options, others):
            yield choices
        offered = sorted(set.intersection(*(set(options[i]) for i in users)) - layers.keys())
        for target in offered:
            yield _given(users, options, others | {target})
            movable = [i for other, them in layers.items() if all(target in options[j] for j in them) for i in them]
            if len(movable) > len(users) and kernel == chosen[movable[0]].kernel:
                yield {i: options[i][target] for i in movable}


def _given(users: Sequence[int], options: Sequence[Mapping[str, Choice]], kernels: set[str]) -> dict[int, Choice]:
    """The fastest choice of each user among `kernels`; nothing if one has none."""
    found = {}
    for index in users:
        able = [choice for kernel, choice in options[index].items() if kernel in kernels]
        if not able:
            return {}
        found[index] = min(able, key=lambda c: (c.cycles, c.weight_bytes, c.kernel))
    return found
