"""How the ONNX importer reports what it cannot take: node, place, what is supported, what to change."""

from __future__ import annotations

from collections.abc import Iterable

from tinyml.importers.errors import ModelError


class OnnxError(ModelError):
    """An ONNX file that cannot become an int8 graph."""


def at_node(kind: str, name: str, problem: str, *, hint: str | None = None, details: Iterable[str] = ()) -> OnnxError:
    """The error for one node: `kind` is its operator, `name` its own name or that of its first output."""
    return OnnxError(f"{kind} `{name}`: {problem}", hint=hint, details=details)
