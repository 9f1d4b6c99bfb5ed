"""`load_model`: any file or folder that holds a network."""

from __future__ import annotations

from pathlib import Path

from tinyml.importers.errors import ModelError
from tinyml.ir.graph import Graph
from tinyml.ir.save import load

FORMATS = (".tir", ".tflite", ".onnx")


def load_model(path: Path | str, name: str | None = None) -> Graph:
    """The graph of a saved graph (.tir), a TFLite file (.tflite) or an ONNX file (.onnx).

    `name` is the name of the imported graph, by default the file's. Raises: ModelError or GraphError when the file
    is missing, damaged or not supported; MissingToolError when ONNX is not installed.
    """
    path = Path(path)
    if not path.exists():
        raise ModelError(f"there is no model `{path}`", hint=f"a model is one of {', '.join(FORMATS)}")
    suffix = path.suffix.lower()
    if suffix == ".tflite":
        from tinyml.importers.tflite import import_tflite

        return import_tflite(path, name).graph
    if suffix == ".onnx":
        from tinyml.importers.onnx import import_onnx

        return import_onnx(path, name)
    if suffix == ".tir" or path.is_dir():
        return load(path)
    raise ModelError(f"`{path}` is no model by its name", hint=f"a model is one of {', '.join(FORMATS)}")
