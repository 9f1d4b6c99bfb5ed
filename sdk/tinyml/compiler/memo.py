"""What operators say about themselves, remembered: searches cost thousands of networks made of the same few layers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from tinyml.board import Isa
from tinyml.ir.op import Cost, Op, Overlap, Variant
from tinyml.ir.tensor import TensorType


@dataclass(frozen=True)
class Options:
    """The variants of one operator on inputs of given types, with what each costs and how its output may overlap its
    inputs (one entry per input, constants left out)."""

    variants: tuple[Variant, ...]
    costs: Mapping[Variant, Cost]
    overlaps: Mapping[Variant, tuple[Overlap | None, ...]]


@lru_cache(maxsize=1 << 14)
def options(op: Op, isa: Isa, types: tuple[TensorType, ...]) -> Options:
    """Everything about `op` that depends on shapes and quantisation alone."""
    variants = op.variants(isa, *types)
    return Options(variants, {v: op.cost(v, *types) for v in variants}, {v: op.overlap(v, *types) for v in variants})
