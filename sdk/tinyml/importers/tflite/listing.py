"""The operators of a TFLite file, also of one that cannot be imported."""

from __future__ import annotations

from collections.abc import Iterator

from tinyml.importers.tflite import schema
from tinyml.importers.tflite.borders import find_borders
from tinyml.importers.tflite.model import Operator, read_model
from tinyml.importers.tflite.registry import converter_of

_ACTIVATION_FIELDS = {
    schema.Options.conv2d: schema.Conv2D.activation,
    schema.Options.depthwise_conv2d: schema.DepthwiseConv2D.activation,
    schema.Options.fully_connected: schema.FullyConnected.activation,
    schema.Options.pool2d: schema.Pool2D.activation,
    schema.Options.add: schema.Elementwise.activation,
    schema.Options.sub: schema.Elementwise.activation,
    schema.Options.mul: schema.Elementwise.activation,
}


def operators_of(data: bytes) -> Iterator[tuple[str, str]]:
    """(operator, status) of each operator in order; a fused activation function follows the one it is fused into.

    Status: supported, fused, folded (QUANTIZE and DEQUANTIZE at the borders, shapes), or not supported.
    Raises: ModelError when the file is damaged.
    """
    model = read_model(data)
    left_out = find_borders(model).operators
    for operator in model.operators:
        converter = converter_of(operator.name)
        if operator.index in left_out:
            yield operator.name, "folded"
        elif converter is None or operator.name == "DEQUANTIZE":
            yield operator.name, "not supported"
        else:
            yield operator.name, "supported" if operator.name == "QUANTIZE" else converter.status
            yield from _fused(operator)


def _fused(operator: Operator) -> Iterator[tuple[str, str]]:
    converter = converter_of(operator.name)
    field = _ACTIVATION_FIELDS.get(converter.options_type)
    if field is None or operator.options is None or operator.options_type != converter.options_type:
        return
    number = operator.options.scalar(field, "int8")
    if 0 < number < len(schema.ACTIVATIONS):
        yield schema.ACTIVATIONS[number], "fused"
