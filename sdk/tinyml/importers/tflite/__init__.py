"""TFLite files with int8 tensors."""

from tinyml.importers.tflite.convert import Imported, import_tflite, read_file
from tinyml.importers.tflite.listing import operators_of
from tinyml.importers.tflite.registry import operator_statuses

__all__ = ["Imported", "import_tflite", "operator_statuses", "operators_of", "read_file"]
