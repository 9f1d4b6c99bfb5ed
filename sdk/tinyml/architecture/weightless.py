"""The graph of an architecture, without weights for costs or with random ones to be compiled and run.

Operators, shapes, order and layer names are those that `quant.lower` gives for the trained network. Quantisation is
what training usually leads to, as far as kernels depend on it: ReLU outputs begin at -128, everything is rounded `high`
and no channel needs a shift. One figure is a guess: the table of the softmax grows as the scale of the scores shrinks,
by at most 40 bytes beyond what is counted here.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from math import prod, sqrt

import numpy as np

import tinyml.ops  # noqa: F401  (registers the operators)
from tinyml.architecture.network import Architecture, Geometry, Layer, Pair
from tinyml.ir.graph import Graph, Node
from tinyml.ir.op import Op
from tinyml.ir.tensor import Const, QuantParams, TensorType
from tinyml.ops import Add, Conv2d, DepthwiseConv2d, FullyConnected, Mean, Softmax

_AUDIO_INPUT, _IMAGE_INPUT = QuantParams((0.5,), 0), QuantParams((1 / 127,), 0)
_RELU, _LINEAR, _SCORES = QuantParams((0.04,), -128), QuantParams((0.04,), 5), QuantParams((0.05,), -9)
_LARGEST_BIAS = 4000
_WEIGHT_SPREAD = 36.0  # steps, of weights whose largest is 127
_STEPS_IN, _STEPS_OUT = 60.0, 45.0  # root mean square of the values of a layer's input and output, in steps


def graph(arch: Architecture, *, seed: int | None = None) -> Graph:
    """The graph of `arch`, ending in a Softmax over the class scores: weightless, or with constants drawn from `seed`.

    Raises: GraphError for a network that the operators do not support.
    """
    types = {"input": _input(arch.geometry)}
    consts: dict[str, Const] = {}
    nodes = []
    for layer in arch.layers:
        op, weights, bias, out = _operator(_signature(layer), tuple(types[v] for v in layer.inputs))
        inputs = layer.inputs
        if weights is not None:
            inputs = (*inputs, f"{layer.name}_weights", f"{layer.name}_bias")
            consts[inputs[-2]], consts[inputs[-1]] = weights, bias
        nodes.append(Node(layer.name, op, inputs, (layer.name,)))
        types[layer.name] = out
    nodes.append(Node("softmax", Softmax(), (nodes[-1].name,), ("softmax",)))
    types["softmax"] = Softmax().infer(types[nodes[-1].inputs[0]])[0]
    if seed is not None:
        consts = _drawn(consts, np.random.default_rng(seed))
    return Graph("model", ("input",), ("softmax",), tuple(nodes), types, consts)


Signature = tuple[str, tuple[int, ...], Pair, Pair, Pair, bool]


def _signature(layer: Layer) -> Signature:
    """What a layer is, wherever it stands."""
    return layer.kind, layer.shape, layer.kernel, layer.stride, layer.padding, layer.relu


@lru_cache(maxsize=256)
def _input(geometry: Geometry) -> TensorType:
    return TensorType((1, *geometry.shape), "int8", _IMAGE_INPUT if geometry.hop_ms is None else _AUDIO_INPUT)


@lru_cache(maxsize=1 << 15)
def _operator(
    signature: Signature, sources: tuple[TensorType, ...]
) -> tuple[Op, Const | None, Const | None, TensorType]:
    """(operator, weightless weights, bias, type of the output): the same objects for the same layers."""
    kind, shape, kernel, stride, (rows, columns), relu = signature
    out = _RELU if relu else _LINEAR
    padding = (rows, rows, columns, columns)
    if kind == "add":
        return _finished(Add(out), sources)
    if kind == "mean":
        return _finished(Mean(), sources)
    channels, inputs = shape[-1], sources[0].shape[-1]
    if kind == "linear":
        return _finished(FullyConnected(_SCORES), sources, (channels, inputs), 0)
    if kind == "depthwise":
        return _finished(DepthwiseConv2d(stride, padding, out), sources, (1, *kernel, channels), 3)
    return _finished(Conv2d(stride, padding, out), sources, (channels, *kernel, inputs), 0)


def _finished(
    op: Op, sources: tuple[TensorType, ...], weight_shape: tuple[int, ...] = (), axis: int = 0
) -> tuple[Op, Const | None, Const | None, TensorType]:
    weights = bias = None
    kinds = sources
    if weight_shape:
        channels = weight_shape[axis]
        taps = prod(weight_shape) // channels
        factor = _STEPS_OUT / (sqrt(taps) * _WEIGHT_SPREAD * _STEPS_IN)  # of sums, to steps of the output
        scale = factor * op.out.scale / sources[0].quant.scale
        weights = _weightless(TensorType(weight_shape, "int8", QuantParams((scale,) * channels, 0, axis)))
        bias = _weightless(TensorType((channels,), "int32"))
        kinds = (*sources, weights.type, bias.type)
    return op, weights, bias, op.infer(*kinds)[0]


def _weightless(kind: TensorType) -> Const:
    return Const(kind, hashlib.sha256(f"weightless {kind}".encode()).hexdigest())


def _drawn(consts: dict[str, Const], rng: np.random.Generator) -> dict[str, Const]:
    """Weights as training leaves them, with 127 in every channel, and biases of a few output steps. That largest weight
    is positive and, in a kernel, at its centre: no channel is dead behind its ReLU."""
    found = {}
    for name, const in consts.items():
        kind = const.type
        if kind.dtype == "int8":
            data = np.clip(np.rint(rng.normal(0, _WEIGHT_SPREAD, kind.shape)), -127, 127).astype(np.int8)
            data[tuple(slice(None) if axis == kind.quant.axis else n // 2 for axis, n in enumerate(kind.shape))] = 127
        else:
            data = rng.integers(-_LARGEST_BIAS, _LARGEST_BIAS + 1, kind.shape).astype(np.int32)
        found[name] = Const.of(data, kind.quant)
    return found
