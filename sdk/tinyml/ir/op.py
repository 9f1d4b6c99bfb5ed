"""The operator protocol: everything the compiler knows about an operator, in one class per operator.

An operator is a frozen dataclass of hashable scalars and tuples, registered by `@operator("conv2d")`. To add
one: write `ops/NAME.py` with the class, its kernels `ops/NAME_*.h` beside it, its `cases()`, and import it in
`ops/__init__.py`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np

from tinyml.board import Isa
from tinyml.errors import ProjectError
from tinyml.ir.cwriter import CWriter
from tinyml.ir.tensor import Const, TensorType


class GraphError(ProjectError):
    """A graph, or the application of an operator to its inputs, is not valid."""


@dataclass(frozen=True)
class Variant:
    """One implementation of an operator.

    `name` identifies the instantiation: layers whose variants have equal names share one C function.
    `kernel_file` is the header that holds the kernel; "" means the operator needs no code (its output is its
    input under another type). `scratch_bytes` of the arena are its own while it runs. `in_place` means that the
    output is the first input's memory, changed. `tile` is how the operator cuts the layer: parameters of the one call.
    """

    name: str
    kernel_file: str
    scratch_bytes: int = 0
    in_place: bool = False
    tile: tuple[int, ...] = ()


@dataclass(frozen=True)
class Cost:
    """Static cost of one node under one variant, its code apart; cycles are Cortex-M4 estimates at zero
    wait states."""

    macs: int
    cycles: int
    weight_bytes: int
    scratch_bytes: int


@dataclass(frozen=True)
class Overlap:
    """How an output may share memory with an input that dies at the same step.

    With `distance = input offset - output offset`: safe when `distance >= least_bytes`, or only at exactly
    `least_bytes` when `exact`. Disjoint placement is always safe.
    """

    least_bytes: int = 0
    exact: bool = False

    @classmethod
    def anywhere(cls) -> Overlap:
        """For operators that have read all of the input before they write the first output."""
        return cls(-(2**31))

    def allows(self, distance: int) -> bool:
        return distance == self.least_bytes if self.exact else distance >= self.least_bytes


@dataclass(frozen=True)
class Range:
    """Half-open row interval [start, stop)."""

    start: int
    stop: int


@dataclass(frozen=True)
class Call:
    """Where one node's operands live in emitted C.

    `inputs` and `outputs` are C expressions of type `int8_t *` (or the tensor's C type), `scratch` is of type
    `void *` (null without scratch); `consts` are the symbols of the packed data in the order of `pack`, `kernel` the
    symbol of the shared function that `kernel_c` defined.
    """

    layer: str
    kernel: str
    input_types: tuple[TensorType, ...]
    output_types: tuple[TensorType, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    scratch: str
    consts: tuple[str, ...]


@dataclass(frozen=True)
class Packed:
    """A constant array as the variant reads it: `suffix` names it, `data` is emitted with its dtype."""

    suffix: str
    data: np.ndarray


@dataclass(frozen=True)
class Case:
    """A golden case: an operator on concrete inputs (activations first, constants as `Const`)."""

    name: str
    op: Op
    inputs: tuple[np.ndarray | Const, ...]
    input_types: tuple[TensorType, ...]


class Op(Protocol):
    """What every operator implements. `x` are all inputs, constants included, in node order.

    `reference` is the exact integer meaning; its arrays may carry a batch of any size in the leading axis.
    `kernel_c` defines the shared C function of a variant, `emit_c` the body of one layer, which calls it.

    Three further abilities are optional. `admits(variant, types, *constants) -> bool`: whether a variant can hold these
    very constants; without it every variant can. `runs_by_rows(variant) -> bool`: whether the variant's function is
    `kernel(&params, x, y, scratch, first, stop)`, which computes the output rows [first, stop) to y from an input
    whose row r lies at x + (r % in_ring) rows; then `params_c(variant, types, in_ring, consts)` gives the C type and
    the initialiser of `params`, and `row_cycles(variant, *x)` the cycles of a tensor that is computed one row a call.
    """

    def infer(self, *x: TensorType) -> tuple[TensorType, ...]: ...
    def reference(self, *x: np.ndarray, types: tuple[TensorType, ...]) -> tuple[np.ndarray, ...]: ...
    def variants(self, isa: Isa, *x: TensorType) -> tuple[Variant, ...]: ...
    def cost(self, v: Variant, *x: TensorType) -> Cost: ...
    def overlap(self, v: Variant, *x: TensorType) -> tuple[Overlap | None, ...]: ...
    def rows_needed(self, out_rows: Range, *x: TensorType) -> tuple[Range, ...]: ...
    def pack(self, v: Variant, types: tuple[TensorType, ...], *c: Const) -> tuple[Packed, ...]: ...
    def kernel_c(self, v: Variant, w: CWriter, symbol: str) -> None: ...
    def emit_c(self, v: Variant, w: CWriter, call: Call) -> None: ...
    @classmethod
    def cases(cls) -> Iterable[Case]: ...


_REGISTRY: dict[str, type] = {}
T = TypeVar("T", bound=type)


def operator(name: str) -> Callable[[T], T]:
    """Class decorator that registers an operator under its IR name."""

    def register(cls: T) -> T:
        _REGISTRY[name] = cls
        cls.ir_name = name
        return cls

    return register


def operators() -> dict[str, type]:
    """All operators by IR name. They register themselves, so their package is loaded first, by name: nothing here
    depends on it."""
    importlib.import_module("tinyml.ops")
    return dict(_REGISTRY)
