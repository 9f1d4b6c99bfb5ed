"""Where the elements of an ONNX tensor lie in the memory of the NHWC graph.

ONNX describes images as NCHW; the graph holds them as NHWC. A layout says so without moving anything: each ONNX axis is
a list of factors (outermost first, factors of 1 left out), and `memory` lists all factors in the order of memory,
outermost first. Factors are numbered in ONNX's own (row-major) order. A Transpose of the ONNX model then only renames
axes, and a Flatten of an image only groups factors: what reads it permutes its weights instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np


@dataclass(frozen=True)
class Layout:
    """`axes[i]` are the sizes of the factors of ONNX axis i; `memory` is a permutation of all factors' numbers."""

    axes: tuple[tuple[int, ...], ...]
    memory: tuple[int, ...]

    @classmethod
    def of(cls, shape: tuple[int, ...], order: tuple[int, ...] | None = None) -> Layout:
        """The layout of a tensor whose axes lie in memory in this order; row-major without `order`."""
        axes = tuple((size,) if size > 1 else () for size in shape)
        return cls(axes, ()).with_order(tuple(range(len(shape))) if order is None else order)

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(prod(factors) for factors in self.axes)

    @property
    def factors(self) -> tuple[int, ...]:
        """The sizes of all factors by number."""
        return tuple(size for factors in self.axes for size in factors)

    def _numbers(self) -> list[tuple[int, ...]]:
        """The numbers of each axis' factors."""
        numbers, start = [], 0
        for factors in self.axes:
            numbers.append(tuple(range(start, start + len(factors))))
            start += len(factors)
        return numbers

    def with_order(self, order: tuple[int, ...]) -> Layout:
        """The same tensor with whole axes in memory in the order given."""
        numbers = self._numbers()
        return Layout(self.axes, tuple(n for axis in order for n in numbers[axis]))._merged()

    def has_order(self, order: tuple[int, ...]) -> bool:
        """Whether the axes lie in memory whole and in this order."""
        return self._merged() == self.with_order(order)

    def order(self) -> tuple[int, ...] | None:
        """An order of whole axes that memory has, None if axes interleave.

        Axes of size 1 may stand anywhere: channels last is preferred, then ONNX's own order.
        """
        rank = len(self.axes)
        preferred = [tuple(range(rank))]
        if rank > 2:
            preferred.insert(0, channels_last(rank))
        first = {n: place for place, n in enumerate(self.memory)}
        places = [min((first[n] for n in numbers), default=-1) for numbers in self._numbers()]
        preferred.append(tuple(sorted(range(rank), key=lambda axis: places[axis])))
        return next((order for order in preferred if self.has_order(order)), None)

    def moves(self, order: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """What brings memory into `order`: the sizes as they lie now, and the permutation to apply to them.

        Neighbours that stay neighbours count as one.
        """
        numbers, factors = self._numbers(), self.factors
        wanted = [n for axis in order for n in numbers[axis]]
        after = {n: follower for n, follower in zip(wanted, wanted[1:], strict=False)}
        runs: list[list[int]] = []
        for n in self.memory:
            if runs and after.get(runs[-1][-1]) == n:
                runs[-1].append(n)
            else:
                runs.append([n])
        starts = {run[0]: place for place, run in enumerate(runs)}
        sizes = tuple(prod(factors[n] for n in run) for run in runs)
        return sizes, tuple(starts[n] for n in wanted if n in starts)

    def transposed(self, perm: tuple[int, ...]) -> Layout:
        """ONNX's Transpose: axis i of the result is axis `perm[i]`; memory stays as it is."""
        numbers = self._numbers()
        moved = [n for axis in perm for n in numbers[axis]]
        renamed = {old: new for new, old in enumerate(moved)}
        return Layout(tuple(self.axes[a] for a in perm), tuple(renamed[n] for n in self.memory))._merged()

    def reshaped(self, shape: tuple[int, ...]) -> Layout | None:
        """ONNX's Reshape without moving memory; None when `shape` cuts across factors. The sizes must agree."""
        pieces: list[list[int]] = [[] for _ in self.factors]  # how each factor is split
        left = list(self.factors)
        axes: list[tuple[int, ...]] = []
        current = 0
        for size in shape:
            axis: list[int] = []
            while size > 1:
                if current == len(left):
                    return None
                taken = min(size, left[current])
                if size % taken or left[current] % taken:
                    return None
                axis.append(taken)
                pieces[current].append(taken)
                left[current] //= taken
                size //= taken
                current += left[current] == 1
            axes.append(tuple(axis))
        starts = np.cumsum([0, *(len(p) for p in pieces)]).tolist()
        memory = tuple(n for old in self.memory for n in range(starts[old], starts[old] + len(pieces[old])))
        return Layout(tuple(axes), memory)._merged()

    def _merged(self) -> Layout:
        """The simplest equal layout: factors of one axis that follow each other in memory become one."""
        follows = set(zip(self.memory, self.memory[1:], strict=False))
        axes, group_of, group = [], {}, -1
        for factors, numbers in zip(self.axes, self._numbers(), strict=True):
            merged: list[int] = []
            for size, n in zip(factors, numbers, strict=True):
                if merged and (n - 1, n) in follows:
                    merged[-1] *= size
                else:
                    merged.append(size)
                    group += 1
                group_of[n] = group
            axes.append(tuple(merged))
        memory = tuple(dict.fromkeys(group_of[n] for n in self.memory))
        return Layout(tuple(axes), memory)

    def to_memory(self, data: np.ndarray) -> np.ndarray:
        """A flat array in memory order from `data` of ONNX's shape."""
        return data.reshape(self.factors).transpose(self.memory).ravel()

    def from_memory(self, data: np.ndarray) -> np.ndarray:
        """An array of ONNX's shape from elements in memory order."""
        sizes = [self.factors[n] for n in self.memory]
        return data.reshape(sizes).transpose(np.argsort(self.memory)).reshape(self.shape)


def channels_last(rank: int) -> tuple[int, ...]:
    """The order (batch, spatial axes, channels) of ONNX's axes (batch, channels, spatial axes)."""
    return (0, *range(2, rank), 1)
