"""The converters by TFLite operator. A converter is a function of a `Site` that appends to its graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from tinyml.importers.tflite import schema
from tinyml.importers.tflite.site import Site

Convert = Callable[[Site], None]


class Converter(NamedTuple):
    convert: Convert
    options_type: schema.Options
    status: str
    newest: int


_CONVERTERS: dict[str, Converter] = {}


def converts(
    *operators: str, newest: int, options: schema.Options = schema.Options.none, status: str = "supported"
) -> Callable[[Convert], Convert]:
    """Register a converter for `operators`, whose options are of type `options`, up to the version `newest`.

    Versions tell which features a reader must know (types, options); what a file uses of them is checked apart.
    Source of the numbers: LiteRT kernels/register_ref.cc.

    `status` is how lists of operators show them: supported, fused (into a neighbour) or folded (no code is left).
    """

    def register(convert: Convert) -> Convert:
        for name in operators:
            _CONVERTERS[name] = Converter(convert, options, status, newest)
        return convert

    return register


def converter_of(operator: str) -> Converter | None:
    """The converter of an operator, None when it is not supported."""
    return _CONVERTERS.get(operator)


def supported_operators() -> list[str]:
    return sorted(_CONVERTERS)


def operator_statuses() -> dict[str, str]:
    """Every operator of the schema: supported, fused, folded, or not supported."""
    unsupported = dict.fromkeys(sorted(schema.OPERATORS), "not supported")
    return unsupported | {name: c.status for name, c in _CONVERTERS.items()}
