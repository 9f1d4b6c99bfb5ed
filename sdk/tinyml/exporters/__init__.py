"""Networks for projects that do not use this SDK: folders of plain C."""

from tinyml.exporters.c_library import MARKER, Export, export_c

__all__ = ["MARKER", "Export", "export_c"]
