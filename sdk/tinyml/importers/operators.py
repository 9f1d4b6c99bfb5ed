"""Which operators can be imported, and which of them a model holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tinyml.importers.errors import ModelError
from tinyml.importers.onnx import operator_statuses as onnx_statuses
from tinyml.importers.onnx import read_onnx
from tinyml.importers.tflite import operator_statuses as tflite_statuses
from tinyml.importers.tflite import operators_of, read_file

OPERATOR_TABLE = {".tflite": tflite_statuses(), ".onnx": onnx_statuses()}
"""Per format, operator -> "supported", "fused" (into a neighbour), "folded" (no code is left), "not supported"."""


@dataclass(frozen=True)
class OperatorUse:
    """One operator of a model, how often it stands there, and what becomes of it."""

    operator: str
    count: int
    status: str


def operators_in(path: Path | str) -> list[OperatorUse]:
    """The operators of a .tflite or .onnx file in order of appearance, also when some are not supported.

    Raises: ModelError when the file is missing, damaged or of another format.
    """
    path = Path(path)
    found = Counter(_uses(path))
    return [OperatorUse(name, count, status) for (name, status), count in found.items()]


def _uses(path: Path) -> Iterator[tuple[str, str]]:
    suffix = path.suffix.lower()
    if suffix not in OPERATOR_TABLE:
        hint = f"it is imported already: `tinyml bench {path}`" if suffix == ".tir" else "name the file by its format"
        raise ModelError(f"`{path}` is neither a .tflite nor an .onnx file", hint=hint)
    if suffix == ".tflite":
        return operators_of(read_file(path))
    statuses = OPERATOR_TABLE[suffix]
    return ((node.kind, statuses.get(node.kind, "not supported")) for node in read_onnx(path).nodes)
