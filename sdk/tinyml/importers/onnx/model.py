"""An ONNX model as plain data: nodes, constants as arrays, inputs and outputs. Nothing after this needs onnx."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tinyml.importers.onnx.errors import OnnxError, at_node

_LARGEST = 2**31 - 1
Attribute = int | float | str | tuple | np.ndarray


@dataclass(frozen=True)
class OnnxNode:
    """One node. Omitted inputs are "" or missing at the end."""

    kind: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Attribute]

    def error(self, problem: str, *, hint: str | None = None, details: tuple[str, ...] = ()) -> OnnxError:
        return at_node(self.kind, self.name, problem, hint=hint, details=details)

    def input(self, index: int) -> str:
        """The name of a required input. Raises: OnnxError when it is not connected."""
        name = self.optional(index)
        if not name:
            raise self.error(f"input {index} is missing")
        return name

    def optional(self, index: int) -> str:
        """The name of an input, "" when it is not connected."""
        return self.inputs[index] if index < len(self.inputs) else ""

    def int(self, key: str, default: int) -> int:
        value = self.attributes.get(key, default)
        if not isinstance(value, int) or abs(value) > _LARGEST:
            raise self.error(f"attribute `{key}` is not a sensible integer")
        return value

    def float(self, key: str, default: float) -> float:
        value = self.attributes.get(key, default)
        if not isinstance(value, int | float) or not np.isfinite(value):
            raise self.error(f"attribute `{key}` is not a finite number")
        return float(value)

    def text(self, key: str, default: str) -> str:
        value = self.attributes.get(key, default)
        if not isinstance(value, str):
            raise self.error(f"attribute `{key}` is not a text")
        return value

    def ints(self, key: str, default: tuple[int, ...], length: int | None = None) -> tuple[int, ...]:
        """A list of integers; with `length`, of exactly so many."""
        value = self.attributes.get(key, default)
        if not isinstance(value, tuple) or any(not isinstance(v, int) or abs(v) > _LARGEST for v in value):
            raise self.error(f"attribute `{key}` is not a list of sensible integers")
        if length is not None and len(value) != length:
            raise self.error(f"attribute `{key}` has {len(value)} values, expected {length}")
        return value


@dataclass(frozen=True)
class OnnxInput:
    """A graph input or output; `shape` holds None where a dimension is symbolic."""

    name: str
    dtype: str
    shape: tuple[int | None, ...]


@dataclass(frozen=True)
class OnnxModel:
    """A model whose nodes stand in execution order and are all needed for an output."""

    name: str
    opset: int
    inputs: tuple[OnnxInput, ...]
    outputs: tuple[OnnxInput, ...]
    nodes: tuple[OnnxNode, ...]
    constants: Mapping[str, np.ndarray]
