"""Models of other tools as graphs: TFLite and ONNX files, and the project's own saved graphs."""

from tinyml.importers.errors import ModelError
from tinyml.importers.load import load_model

__all__ = ["ModelError", "load_model"]
