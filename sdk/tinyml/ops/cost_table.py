"""What was measured: cycles of the parts of kernels, bytes of functions. `make cost-table` writes cost_table.toml."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

FILE = Path(__file__).with_name("cost_table.toml")
NARROW = (1,)
"""`Variant.tile` of a convolution whose rows are shorter than a tile: where it is alone, compilers see that, too."""
_GUESS_LAYER, _GUESS_KERNEL, _GUESS_PART = 80, 600, 20


@dataclass(frozen=True)
class VariantCode:
    """Bytes of one variant on a Cortex-M4: `functions` are shared by name with other variants, `layer_bytes` is what
    every layer has of its own, `row_layer_bytes` the same where layers run row by row (0 where they cannot). Where a
    single layer runs the variant, compilers save `alone_saves` of it; `narrow_saves` if it is `NARROW`."""

    layer_bytes: int
    row_layer_bytes: int
    functions: Mapping[str, int]
    alone_saves: int = 0
    narrow_saves: int = 0

    def saved_alone(self, tile: tuple[int, ...]) -> int:
        """Bytes that compilers save where a single layer runs the variant, with that `Variant.tile`."""
        return max(self.narrow_saves, self.alone_saves) if tile == NARROW else self.alone_saves


@dataclass(frozen=True)
class FrameCode:
    """Bytes of a network beside its layers: once, for every call in the invoke function, for every chain of layers that
    run row by row (what all of them share is `rows_bytes`) and for every stage of a chain."""

    network_bytes: float
    call_bytes: float
    rows_bytes: float
    chain_bytes: float
    stage_bytes: float

    def bytes_of(self, calls: int, chains: Sequence[int]) -> float:
        """For layers called on their own, and chains by their numbers of stages."""
        rows = self.rows_bytes * bool(chains) + self.stage_bytes * sum(chains)
        return self.network_bytes + self.call_bytes * (calls + len(chains)) + self.chain_bytes * len(chains) + rows


@dataclass(frozen=True)
class CostTable:
    """`cycles` are coefficients: by family of kernels, cycles of each part. `sums`: bytes by variants, as far as they
    were asked for."""

    variants: Mapping[str, VariantCode]
    frame: FrameCode
    cycles: Mapping[str, Mapping[str, float]]
    sums: dict[frozenset[str], int] = field(default_factory=dict, init=False, compare=False, repr=False)

    def cycles_of(self, family: str, parts: Mapping[str, float]) -> float:
        """For parts that run as often as given; of a family that was never measured, a guess on the high side."""
        cycles = self.cycles.get(family)
        if cycles is None:
            return _GUESS_PART * sum(parts.values())
        return sum(cycles[part] * count for part, count in parts.items() if part in cycles)

    def code(self, variant: str) -> VariantCode:
        """Of a variant by name; of one that was never measured, a guess on the high side."""
        found = self.variants.get(variant)
        return found or VariantCode(_GUESS_LAYER, _GUESS_LAYER, {variant: _GUESS_KERNEL})

    def code_bytes(self, variants: Iterable[str]) -> int:
        """Bytes of all functions that these variants need."""
        names = frozenset(variants)
        if names not in self.sums:
            functions: dict[str, int] = {}
            for name in names:
                functions |= self.code(name).functions
            self.sums[names] = sum(functions.values())
        return self.sums[names]


@cache
def cost_table() -> CostTable:
    """The table of this package."""
    with FILE.open("rb") as file:
        table = tomllib.load(file)
    sizes = table["functions"]
    variants = {name: _variant(name, entry, sizes) for name, entry in table["variants"].items()}
    cycles = {name: entry["cycles"] for name, entry in table.get("families", {}).items()}
    return CostTable(variants, FrameCode(**table["frame"]), cycles)


def _variant(name: str, entry: Mapping, sizes: Mapping[str, int]) -> VariantCode:
    functions = {part: sizes[part] for part in entry["functions"]}
    usual = entry["layer"] + sum(size for part, size in functions.items() if part.startswith(name))
    narrow = usual - entry["narrow"] if "narrow" in entry else 0
    return VariantCode(entry["layer"], entry.get("row_layer", 0), functions, usual - entry["alone"], narrow)
