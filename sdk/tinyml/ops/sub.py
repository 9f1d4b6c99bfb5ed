"""Subtraction of two tensors; shapes broadcast. It shares the kernels of `add.py`."""

from __future__ import annotations

from dataclasses import dataclass

from tinyml.ir.op import operator
from tinyml.ops.add import SumOperator


@operator("sub")
@dataclass(frozen=True)
class Sub(SumOperator):
    """y = a - b in the scale of `out`; see `SumOperator`."""

    SIGN = -1
