"""ADD, SUB and MUL; one operand may be constant."""

from __future__ import annotations

from tinyml.importers.tflite import schema
from tinyml.importers.tflite.registry import converts
from tinyml.importers.tflite.site import Site
from tinyml.ops import Add, Mul, Sub


def _binary(site: Site, kind: type[Add | Sub | Mul]) -> None:
    site.expect((2,))
    clamp = site.activation_range(site.choice(schema.Elementwise.activation, schema.ACTIVATIONS))
    constant = next((i for i in (0, 1) if site.is_constant(i)), None)
    values = [site.constant_operand(i) if i == constant else site.activation(i) for i in (0, 1)]
    site.emit(kind(site.quant(), *clamp, "double", constant), *values)


@converts("ADD", newest=5, options=schema.Options.add)
def add(site: Site) -> None:
    _binary(site, Add)


@converts("SUB", newest=5, options=schema.Options.sub)
def sub(site: Site) -> None:
    _binary(site, Sub)


@converts("MUL", newest=7, options=schema.Options.mul)
def mul(site: Site) -> None:
    _binary(site, Mul)
