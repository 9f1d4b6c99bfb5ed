"""ADD, SUB and MUL."""

from __future__ import annotations

from tinyml.importers.tflite import schema
from tinyml.importers.tflite.registry import converts
from tinyml.importers.tflite.site import Site
from tinyml.ops import Add


@converts("ADD", options=schema.Options.add)
def add(site: Site) -> None:
    site.expect((2,))
    low, high = site.activation_range(site.choice(schema.Elementwise.activation, schema.ACTIVATIONS))
    site.emit(Add(site.quant(), low, high, "double"), site.activation(0), site.activation(1))
