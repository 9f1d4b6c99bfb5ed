"""Random int8 networks of the kinds that run on microcontrollers, from a seed, in the sizes nobody tries."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tests.golden.tflite_models import Draw
from tests.quantised_model import NONE, RELU, RELU6, SAME, VALID, Constant, Network

Family = Callable[[Network], tuple[int, ...]]
"""Adds layers to an empty network and says which values are its outputs."""
FAMILIES: dict[str, Family] = {}


@dataclass(frozen=True)
class RandomNetwork:
    name: str
    model: bytes
    float_borders: bool


def random_network(seed: int) -> RandomNetwork:
    """The network of a seed; families take turns."""
    family = list(FAMILIES)[seed % len(FAMILIES)]
    network = Network(Draw(seed))
    outputs = FAMILIES[family](network)
    float_borders = not network.draw.between(0, 4)
    return RandomNetwork(f"{family}_{seed}", network.bytes(outputs, float_borders), float_borders)


def family(build: Family) -> Family:
    FAMILIES[build.__name__] = build
    return build


def image(n: Network, channels: int | None = None) -> int:
    channels = channels or n.draw.one_of(1, 3, 3, 2)
    return n.input(n.draw.between(9, 33), n.draw.between(9, 33), channels)


def width(n: Network, most: int = 24) -> int:
    """A number of channels: what divides well, or does not."""
    return min(most, n.draw.one_of(4, 8, 12, 16, 24, n.draw.between(1, most), n.draw.between(1, most)))


def odd_kernel(n: Network, x: int) -> tuple[int, int]:
    """3, 5 or 7 square, now and then oblong."""
    k = n.draw.one_of(3, 3, 3, 5, 7)
    return (k, k) if n.draw.between(0, 5) else (k, n.draw.one_of(1, 2, 3, 4, 5))


def stride(n: Network, *choices: int) -> tuple[int, int]:
    s = n.draw.one_of(*choices)
    return s, s


def head(n: Network, x: int) -> tuple[int, ...]:
    """A classifier, as logits or as scores."""
    _, h, w, _ = n.shapes[x]
    way = n.draw.between(0, 4)
    if way == 0:
        x = n.flat(n.pool("AVERAGE", x, (h, w), (1, 1)))
    elif way == 1:
        x = n.mean(x)
    elif way == 2:
        x = n.flat(n.conv(n.mean(x, keep=True), n.draw.between(1, 11), act=NONE))
        return (n.softmax(x),)
    elif way == 3:
        x = n.flat(n.pool("MAX", x, (min(h, 2), min(w, 2)), (2, 2), SAME))
    x = n.dense(x, n.draw.between(1, 12))
    way = n.draw.between(0, 3)
    return (n.function("LOGISTIC", x) if way == 0 else n.softmax(x) if way > 1 else x,)


@family
def mobilenet_v1(n: Network) -> tuple[int, ...]:
    act = n.draw.one_of(RELU, RELU6)
    x = n.conv(image(n), width(n, 16), odd_kernel(n, 0), stride(n, 1, 2, 2), act=act)
    for _ in range(n.draw.between(1, 4)):
        x = n.depthwise(x, odd_kernel(n, x), stride(n, 1, 1, 2, 3), n.draw.one_of(SAME, SAME, SAME), act=act)
        x = n.conv(x, width(n, 32), act=act)
    return head(n, x)


def inverted_residual(n: Network, x: int, act: int) -> int:
    depth = n.shapes[x][3]
    s = n.draw.one_of(1, 1, 2)
    out = depth if n.draw.between(0, 1) else width(n, 16)
    y = n.conv(x, depth * n.draw.between(1, 6), act=act) if n.draw.between(0, 4) else x
    y = n.depthwise(y, odd_kernel(n, y), (s, s), act=act)
    y = n.conv(y, out, act=NONE)
    return n.binary("ADD", *((x, y) if n.draw.between(0, 1) else (y, x))) if s == 1 and out == depth else y


@family
def mobilenet_v2(n: Network) -> tuple[int, ...]:
    x = image(n)
    if n.draw.between(0, 1):
        x = n.pad(x, *n.draw.one_of((0, 1, 0, 1), (1, 1, 1, 1), (1, 0, 1, 0)))
        x = n.conv(x, width(n, 12), (3, 3), (2, 2), VALID, act=RELU6)
    else:
        x = n.conv(x, width(n, 12), (3, 3), stride(n, 1, 2), act=RELU6)
    for _ in range(n.draw.between(1, 3)):
        x = inverted_residual(n, x, RELU6)
    return head(n, x)


@family
def mobilenet_v3(n: Network) -> tuple[int, ...]:
    x = n.function("HARD_SWISH", n.conv(image(n, 3), width(n, 12), (3, 3), (2, 2), act=NONE))
    for _ in range(n.draw.between(1, 2)):
        y = n.function("HARD_SWISH", n.conv(x, width(n, 32), act=NONE))
        y = n.depthwise(y, odd_kernel(n, y), stride(n, 1, 2), act=RELU)
        gate = n.conv(n.mean(y, keep=True), n.draw.between(1, 6), act=RELU)
        gate = n.function("LOGISTIC", n.conv(gate, n.shapes[y][3], act=NONE))
        x = n.conv(n.binary("MUL", y, gate), width(n, 16), act=NONE)
    return head(n, x)


@family
def resnet(n: Network) -> tuple[int, ...]:
    x = n.conv(image(n), width(n, 12), (3, 3), stride(n, 1, 2), act=RELU)
    for _ in range(n.draw.between(1, 2)):
        s, out = stride(n, 1, 2), width(n, 16)
        y = n.conv(x, out, (3, 3), s, act=RELU)
        y = n.conv(y, out, (3, 3), act=NONE)
        short = x if s == (1, 1) and out == n.shapes[x][3] else n.conv(x, out, (1, 1), s, act=NONE)
        fused = n.draw.one_of(NONE, RELU, RELU)
        x = n.binary("ADD", y, short, act=fused)
        if fused == NONE:
            x = n.function("RELU", x)
    return head(n, x)


@family
def ds_cnn(n: Network) -> tuple[int, ...]:
    """Keywords: a wide first kernel over time and frequency."""
    x = n.input(n.draw.between(20, 49), n.draw.one_of(10, 10, 13, 20), 1)
    x = n.conv(x, width(n), (10, 4), n.draw.one_of((2, 2), (2, 1), (1, 1)), n.draw.one_of(SAME, VALID), act=RELU)
    for _ in range(n.draw.between(1, 3)):
        x = n.conv(n.depthwise(x), width(n, 32))
    return head(n, x)


@family
def micro_speech(n: Network) -> tuple[int, ...]:
    """One depthwise layer that makes channels of a spectrogram, and a classifier over all of it."""
    x = n.input(n.draw.between(20, 49), n.draw.between(20, 43), 1)
    multiplier = n.draw.one_of(8, 8, n.draw.between(2, 9))
    x = n.depthwise(x, (n.draw.between(8, 10), n.draw.between(6, 8)), (2, 2), n.draw.one_of(SAME, VALID),
                    multiplier=multiplier)  # fmt: skip
    return (n.softmax(n.dense(n.flat(x), n.draw.between(2, 5))),)


@family
def tcn(n: Network) -> tuple[int, ...]:
    """Dilated kernels over time that see no padding, with what they left out cut off for the sum."""
    if not n.draw.between(0, 2):
        return one_dimensional(n)
    wide, k = n.draw.one_of(1, 1, 1, 2, 3), n.draw.between(2, 4)
    x = n.input(n.draw.between(30, 50), wide, n.draw.between(1, 12))
    x = n.conv(x, width(n, 16), (k, wide), (1, 1), VALID)
    for level in range(n.draw.between(1, 2)):
        d, depth = 2**level, n.shapes[x][3]
        if n.draw.between(0, 1):
            y = n.depthwise(x, (k, 1), (1, 1), VALID, (d, 1), n.draw.one_of(NONE, RELU))
            y = n.conv(y, depth)
        else:
            y = n.conv(x, depth, (k, 1), (1, 1), VALID, (d, 1))
        _, rows, w, _ = n.shapes[y]
        cut = n.kept("SLICE", x, (1, rows, w, depth), (0, n.shapes[x][1] - rows, 0, 0), (1, rows, w, depth), version=2)
        x = n.binary("ADD", y, cut, act=RELU) if n.draw.between(0, 1) else n.concat(y, cut)
    rows = n.shapes[x][1]
    if n.draw.between(0, 1):
        x = n.depthwise(x, (rows, 1), (1, 1), VALID, act=NONE)
    return head(n, x)


def one_dimensional(n: Network) -> tuple[int, ...]:
    """As Keras writes it: time is the width of an image of one row; kernels see the past alone, or both sides."""
    x = n.input(1, n.draw.one_of(32, 40, n.draw.between(25, 50)), n.draw.between(1, 12))
    for level in range(n.draw.between(1, 3)):
        d, k, padding = 2**level, n.draw.between(2, 4), SAME
        if n.draw.between(0, 1):
            x, padding = n.pad(x, 0, 0, (k - 1) * d, 0), VALID
        if n.draw.between(0, 1):
            x = n.depthwise(x, (1, k), (1, 1), padding, (1, d), n.draw.one_of(NONE, RELU))
            x = n.conv(x, width(n, 16))
        else:
            x = n.conv(x, width(n, 16), (1, k), (1, 1), padding, (1, d))
    return head(n, x)


@family
def frames(n: Network) -> tuple[int, ...]:
    """Frame by frame: valid kernels of stride 1 in time, as a streaming wake word has them."""
    x = n.input(n.draw.between(18, 30), 1, n.draw.between(3, 20))
    for _ in range(n.draw.between(1, 3)):
        if n.draw.between(0, 2):
            x = n.depthwise(x, (n.draw.between(2, 5), 1), (1, 1), VALID, act=n.draw.one_of(NONE, RELU))
            x = n.conv(x, width(n))
        else:
            x = n.conv(x, width(n), (n.draw.between(1, 4), 1), (1, 1), VALID)
    if n.draw.between(0, 1):
        x = n.depthwise(x, (n.shapes[x][1], 1), (1, 1), VALID, act=NONE)
    return head(n, x)


@family
def unet(n: Network) -> tuple[int, ...]:
    size = n.draw.one_of(8, 12, 16), n.draw.one_of(8, 12, 20)
    x = n.conv(n.input(*size, n.draw.one_of(1, 3)), width(n, 8), (3, 3))
    skips = []
    for _ in range(n.draw.between(1, 2)):
        skips.append(x)
        x = n.pool("MAX", x, (2, 2), (2, 2)) if n.draw.between(0, 1) else n.conv(x, width(n, 12), (3, 3), (2, 2))
        x = n.conv(x, width(n, 12), (3, 3))
    for skip in reversed(skips):
        _, h, w, _ = n.shapes[skip]
        flags = n.draw.one_of((False, False), (True, False), (False, True))
        x = n.resize(x, h, w, bool(n.draw.between(0, 1)), *flags)
        x = n.conv(n.concat(x, skip) if n.draw.between(0, 1) else n.concat(skip, x), width(n, 8), (3, 3))
    x = n.conv(x, n.draw.between(1, 3), act=NONE)
    return (n.function("LOGISTIC", x) if n.draw.between(0, 1) else x,)


@family
def autoencoder(n: Network) -> tuple[int, ...]:
    depth = n.draw.one_of(64, 96, n.draw.between(17, 130))
    x = n.input(depth)
    for units in (n.draw.between(20, 64), n.draw.between(1, 9), n.draw.between(20, 64)):
        x = n.dense(x, units, RELU)
    return (n.dense(x, depth),)


@family
def two_inputs(n: Network) -> tuple[int, ...]:
    """A picture and a vector of sensors; scores and a regression, and the map before them."""
    x = n.conv(image(n), width(n, 12), (3, 3), (2, 2), act=RELU6)
    x = inverted_residual(n, x, RELU6)
    sensors = n.dense(n.input(n.draw.between(2, 9)), n.draw.between(2, 9), n.draw.one_of(NONE, RELU))
    both = n.concat(n.mean(x), sensors, axis=1)
    scores = n.softmax(n.dense(both, n.draw.between(2, 6)))
    outs = [scores, n.function("TANH", n.dense(both, 1))]
    if n.draw.between(0, 1):
        outs.append(n.conv(x, n.draw.between(1, 3), act=NONE))
    return tuple(outs)


@family
def odd_ends(n: Network) -> tuple[int, ...]:
    """Layers in no order at all."""
    x = image(n, n.draw.one_of(None, 4, 6))
    for _ in range(n.draw.between(4, 9)):
        x = n.draw.one_of(*_ODD)(n, x)
    return head(n, x)


def _any_conv(n: Network, x: int) -> int:
    kernel = n.draw.between(1, 4), n.draw.between(1, 4)
    return n.conv(x, n.draw.one_of(1, 2, width(n)), kernel, (n.draw.between(1, 2), n.draw.between(1, 3)), SAME,
                  act=n.activation())  # fmt: skip


def _dilated(n: Network, x: int) -> int:
    dilation = n.draw.between(1, 3), n.draw.between(1, 3)
    if n.draw.between(0, 1):
        return n.conv(x, width(n, 12), (3, 3), dilation=dilation, act=n.activation())
    return n.depthwise(x, odd_kernel(n, x), dilation=dilation, act=n.activation())


def _grouped(n: Network, x: int) -> int:
    depth = n.shapes[x][3]
    groups = next(g for g in (4, 3, 2, 5, 7, 1) if depth % g == 0)
    return n.conv(x, groups * n.draw.between(1, 4), (3, 3), act=n.activation(), groups=groups)


def _multiplied(n: Network, x: int) -> int:
    return n.depthwise(x, (3, 3), multiplier=2, act=n.activation()) if n.shapes[x][3] <= 8 else _any_depthwise(n, x)


def _any_depthwise(n: Network, x: int) -> int:
    return n.depthwise(x, (n.draw.between(1, 6), n.draw.between(1, 6)), stride(n, 1, 1, 2, 3), act=n.activation())


def _pooled(n: Network, x: int) -> int:
    kernel = n.draw.between(1, 3), n.draw.between(1, 3)
    return n.pool(n.draw.one_of("AVERAGE", "MAX"), x, kernel, (n.draw.between(1, 2), n.draw.between(1, 2)), SAME,
                  n.draw.one_of(NONE, NONE, RELU, RELU6))  # fmt: skip


def _scaled(n: Network, x: int) -> int:
    depth = n.shapes[x][3]
    shape = n.draw.one_of((depth,), (1,), (1, 1, 1, depth))
    other = Constant(n.draw.random.normal(0.3, 1, shape).astype(np.float32), "operand")
    return n.binary(n.draw.one_of("ADD", "SUB", "MUL"), x, other, n.activation())


def _functions(n: Network, x: int) -> int:
    name = n.draw.one_of("RELU", "RELU6", "HARD_SWISH", "LOGISTIC", "TANH", "LEAKY_RELU", "RELU_N1_TO_1")
    if name == "LEAKY_RELU":
        return n.function(name, x, table="LeakyReluOptions", alpha=n.draw.one_of(0.1, 0.01, 0.3))
    return n.function(name, x)


def _padded(n: Network, x: int) -> int:
    return n.pad(x, *(n.draw.between(0, 2) for _ in range(4)))


def _transposed(n: Network, x: int) -> int:
    _, h, w, c = n.shapes[x]
    return n.kept("TRANSPOSE", x, (1, w, h, c), (0, 2, 1, 3), table="TransposeOptions", version=2)


def _shuffled(n: Network, x: int) -> int:
    """ShuffleNet: halves, one of them convolved, joined the other way round."""
    if n.shapes[x][3] % 2:
        return n.conv(x, n.shapes[x][3] + 1, act=n.activation())
    a, b = n.split(x, 2)
    b = n.conv(n.depthwise(b), n.shapes[a][3], act=n.activation())
    return n.concat(b, a)


def _difference(n: Network, x: int) -> int:
    y = n.depthwise(x, (3, 3), act=NONE)
    return n.binary(n.draw.one_of("SUB", "MUL", "ADD"), x, y, n.activation())


def _resized(n: Network, x: int) -> int:
    h, w = (n.draw.between(1, min(2 * m, 24)) for m in n.shapes[x][1:3])
    return n.resize(x, h, w, bool(n.draw.between(0, 1)), *n.draw.one_of((False, False), (True, False), (False, True)))


def _along_channels(n: Network, x: int) -> int:
    return n.dense(x, width(n, 12), n.activation(), keep_rank=True)


_ODD = (_any_conv, _any_conv, _dilated, _grouped, _multiplied, _any_depthwise, _pooled, _scaled, _functions, _padded,
        _transposed, _shuffled, _difference, _resized, _along_channels)  # fmt: skip
