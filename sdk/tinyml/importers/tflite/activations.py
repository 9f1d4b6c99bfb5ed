"""Functions of single elements, requantisation, and SOFTMAX."""

from __future__ import annotations

from tinyml.importers.tflite import schema
from tinyml.importers.tflite.registry import converts
from tinyml.importers.tflite.site import Site
from tinyml.ops import Lookup, Softmax


@converts("RELU", "RELU6", "RELU_N1_TO_1", "HARD_SWISH", "LOGISTIC", "TANH", newest=3)
def function(site: Site) -> None:
    site.expect((1,))
    site.emit(Lookup(site.operator.name.lower(), site.quant()), site.activation())


@converts("LEAKY_RELU", newest=2, options=schema.Options.leaky_relu)
def leaky_relu(site: Site) -> None:
    site.expect((1,))
    site.emit(Lookup("leaky_relu", site.quant(), site.finite(schema.LeakyRelu.alpha)), site.activation())


@converts("QUANTIZE", newest=4, status="folded")
def quantize(site: Site) -> None:
    """Inside the network: from one int8 scale to another."""
    site.expect((1,))
    site.emit(Lookup("requantize", site.quant()), site.activation())


@converts("SOFTMAX", newest=3, options=schema.Options.softmax)
def softmax(site: Site) -> None:
    site.expect((1,))
    site.emit(Softmax(site.finite(schema.Softmax.beta), "gemmlowp"), site.activation())
