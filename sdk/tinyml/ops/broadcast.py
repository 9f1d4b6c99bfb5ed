"""Which elements of two tensors of broadcastable shapes meet: three nested loops with one step per loop and tensor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tinyml.ir.op import GraphError

_LOOPS = 3


@dataclass(frozen=True)
class Pairing:
    """Output index (i, j, k) below `sizes` reads each tensor at the sum of index times step; the output is contiguous.

    Axes are merged wherever both tensors allow it, so tensors of one shape need a single loop.
    """

    shape: tuple[int, ...]
    sizes: tuple[int, int, int]
    a_steps: tuple[int, int, int]
    b_steps: tuple[int, int, int]

    @classmethod
    def of(cls, a: tuple[int, ...], b: tuple[int, ...]) -> Pairing:
        """Raises: GraphError when the shapes do not broadcast, or need more than three loops."""
        try:
            shape = np.broadcast_shapes(a, b)
        except ValueError as error:
            raise GraphError(f"shapes {list(a)} and {list(b)} cannot be combined") from error
        loops: list[list[int]] = []
        for size, a_step, b_step in zip(shape, _steps(a, shape), _steps(b, shape), strict=True):
            if size == 1:
                continue
            if loops and loops[-1][1:] == [a_step * size, b_step * size]:
                loops[-1] = [loops[-1][0] * size, a_step, b_step]
            else:
                loops.append([size, a_step, b_step])
        if len(loops) > _LOOPS:
            raise GraphError(f"broadcasting {list(a)} and {list(b)} in alternate axes is not supported",
                             hint="repeat the smaller tensor along one axis first")  # fmt: skip
        loops = [[1, 0, 0]] * (_LOOPS - len(loops)) + loops
        sizes, a_steps, b_steps = (tuple(loop[i] for loop in loops) for i in range(3))
        return cls(tuple(shape), sizes, a_steps, b_steps)

    @property
    def is_flat(self) -> bool:
        """Both tensors are walked through in step with the output."""
        return self.sizes[:2] == (1, 1) and self.a_steps[2] == self.b_steps[2] == 1 or self.sizes == (1, 1, 1)

    @property
    def c_initialiser(self) -> str:
        """C initialiser of `tm_pairing`."""
        rows = (self.sizes, self.a_steps, self.b_steps)
        return "{" + ", ".join("{" + ", ".join(map(str, row)) + "}" for row in rows) + "}"


def _steps(shape: tuple[int, ...], out: tuple[int, ...]) -> list[int]:
    """Elements between neighbours along each axis of `out`: 0 where `shape` is repeated."""
    full, steps, step = (1,) * (len(out) - len(shape)) + tuple(shape), [], 1
    for size in reversed(full):
        steps.append(0 if size == 1 else step)
        step *= size
    return steps[::-1]
