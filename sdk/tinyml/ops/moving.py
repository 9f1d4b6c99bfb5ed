"""What operators share that only move bytes: one input, no packed data of their own."""

from __future__ import annotations

from tinyml.ir.op import GraphError, Overlap, Packed, Variant
from tinyml.ir.tensor import Const, TensorType

_MOST_AXES = 4


class Mover:
    """Mixin of operators without constants whose output may not share memory with the input."""

    def pack(self, v: Variant, types: tuple[TensorType, ...], *c: Const) -> tuple[Packed, ...]:
        return ()

    def overlap(self, v: Variant, *x: TensorType) -> tuple[Overlap | None, ...]:
        return (None,) * len(x)


def check_movable(x: TensorType, what: str) -> None:
    """Raises: GraphError unless `x` is an int8 tensor of 1 to 4 axes with a batch of 1."""
    if x.dtype != "int8" or not 1 <= len(x.shape) <= _MOST_AXES or x.shape[0] != 1 or min(x.shape) < 1:
        raise GraphError(f"{what} of shape {list(x.shape)} and type {x.dtype} is not supported",
                         hint="int8 tensors of at most 4 axes with a batch of 1 are")  # fmt: skip


def strides_of(shape: tuple[int, ...]) -> list[int]:
    """Elements between neighbours along each axis of a contiguous tensor."""
    strides, step = [], 1
    for size in reversed(shape):
        strides.append(step)
        step *= size
    return strides[::-1]
