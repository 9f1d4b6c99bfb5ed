"""Operators that change the shape only, or move elements."""

from __future__ import annotations

from tinyml.importers.tflite.registry import converts
from tinyml.importers.tflite.site import Site
from tinyml.ops import Reshape, Softmax


@converts("RESHAPE", "SQUEEZE", "EXPAND_DIMS")
def reshape(site: Site) -> None:
    """The new shape is the output's: a shape that is computed at run time makes the output's dynamic."""
    site.expect((1, 2))
    site.emit(Reshape(site.output().shape), site.activation())


@converts("SOFTMAX")
def softmax(site: Site) -> None:
    site.expect((1,))
    site.emit(Softmax(), site.activation())
