"""The operator protocol: everything the compiler knows about an operator, in one class per operator.

An operator is a frozen dataclass of hashable scalars and tuples, registered by `@operator("conv2d")`. To add
one: write `ops/NAME.py` with the class, its kernels `ops/NAME_*.c` beside it, its `cases()`, and import it in
`ops/__init__.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np

from tinyml.board import Isa
from tinyml.ir.cwriter import CWriter
from tinyml.ir.tensor import Const, TensorType


@dataclass(frozen=True)
class Variant:
    """One implementation of an operator: the C file that holds the kernel and its compile-time parameters."""

    name: str
    kernel_file: str
    scratch_bytes: int = 0


@dataclass(frozen=True)
class Cost:
    """Static cost of one node under one variant; cycles are Cortex-M4 estimates at zero wait states."""

    macs: int
    cycles: int
    code_bytes: int
    weight_bytes: int
    scratch_bytes: int


@dataclass(frozen=True)
class Range:
    """Half-open row interval [start, stop)."""

    start: int
    stop: int


@dataclass(frozen=True)
class Call:
    """Where one node's operands live in emitted C.

    `inputs` and `outputs` are C expressions of type `int8_t *` (or the tensor's C type), `scratch` likewise or
    "NULL"; `consts` maps a suffix ("weights", "bias", ...) chosen by `pack` to the symbol of the packed data.
    """

    layer: str
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
    """What every operator implements. `x` are all inputs, constants included, in node order."""

    def infer(self, *x: TensorType) -> tuple[TensorType, ...]: ...
    def reference(self, *x: np.ndarray, types: tuple[TensorType, ...]) -> tuple[np.ndarray, ...]: ...
    def variants(self, isa: Isa, *x: TensorType) -> tuple[Variant, ...]: ...
    def cost(self, v: Variant, *x: TensorType) -> Cost: ...
    def overlap(self, v: Variant, *x: TensorType) -> tuple[int | None, ...]: ...
    def rows_needed(self, out_rows: Range, *x: TensorType) -> tuple[Range, ...]: ...
    def pack(self, v: Variant, types: tuple[TensorType, ...], *c: Const) -> tuple[Packed, ...]: ...
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
    """All registered operators by IR name (import `tinyml.ops` first)."""
    return dict(_REGISTRY)
