"""The layers that the cost table is measured on: a spread of shapes for every operator, all from one seed."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import numpy as np

from tinyml.bench.variant_image import VariantLayer
from tinyml.board import Isa
from tinyml.ir.op import Case, operators
from tinyml.ir.tensor import Const, QuantParams, TensorType
from tinyml.ops import golden

_SEED = 7
_ENOUGH = 6  # layers of a variant that need no golden cases beside them
_MOST_BYTES = 8000  # of an input: 24 of them fit a board

Size = tuple[int, int, int]
Pair = tuple[int, int]


def variant_layers(isa: Isa, seed: int = _SEED) -> dict[str, list[VariantLayer]]:
    """By the name of a variant, the layers that run it: whole, and row by row where the variant can."""
    found: dict[str, list[VariantLayer]] = {}
    for case in spread(seed):
        _add(found, case, isa, None)
    for case in (case for kind in operators().values() for case in kind.cases()):  # they have every variant
        _add(found, case, isa, _ENOUGH)
    return found


def _add(found: dict[str, list[VariantLayer]], case: Case, isa: Isa, most: int | None) -> None:
    """All variants of a case, but those that have `most` layers already."""
    constants = [v for v in case.inputs if isinstance(v, Const)]
    admits = getattr(case.op, "admits", lambda *_: True)
    runs_by_rows = getattr(case.op, "runs_by_rows", lambda _: False)
    for variant in case.op.variants(isa, *case.input_types):
        layers = found.setdefault(variant.name, [])
        full = most is not None and len(layers) >= most
        if variant.kernel_file and not full and admits(variant, case.input_types, *constants):
            layers.append(VariantLayer(case, variant))
            if runs_by_rows(variant):
                layers.append(VariantLayer(case, variant, by_rows=True))
        if not layers:
            del found[variant.name]


def spread(seed: int = _SEED) -> Iterator[Case]:
    """Cases of every operator. Other seeds give other shapes of the same kind."""
    random = np.random.default_rng(seed)
    for make in (_convolutions, _depthwise, _fully_connected, _sums, _pools, _means, _others):
        yield from make(random)


def _sizes(random: np.random.Generator, channels: int, stride: int = 1, least: int = 1) -> Size:
    """[height, width, channels] of a plausible layer."""
    side = int(min(random.integers(3, 34), max(3, (_MOST_BYTES / channels) ** 0.5)))
    height = max(least, int(side * random.uniform(0.5, 1.5)))
    width = max(least, side)
    while height * width * channels > _MOST_BYTES:
        height = max(least, height - stride)
        width = max(least, width - stride)
    return height, width, channels


def _same(kernel: Pair, stride: Pair, size: Size) -> tuple[int, int, int, int]:
    """TensorFlow's SAME padding."""
    pads = []
    for k, s, n in zip(kernel, stride, size, strict=False):
        total = max(0, (-(-n // s) - 1) * s + k - n)
        pads += [total // 2, total - total // 2]
    return tuple(pads)


# rounding, activation range, output zero point: LiteRT's relu, linear and relu6 outputs, networks trained here
_STYLES = (
    ("double", (-128, 127), -128), ("double", (-128, 127), -5), ("double", (-128, 100), -128),
    ("high", (-128, 127), -5), ("single", (-128, 127), -5),
)  # fmt: skip


def _styled(random: np.random.Generator, number: int) -> tuple[dict, int]:
    rounding, act, zero = _STYLES[number % len(_STYLES)]
    return {"act_min": act[0], "act_max": act[1], "rounding": rounding}, zero


def _input(size: tuple[int, ...], number: int) -> TensorType:
    return golden.activation((1, *size), -128 if number % 2 else 3)


def _convolutions(random: np.random.Generator) -> Iterator[Case]:
    conv, numbers = operators()["conv2d"], count(1)

    def case(size: Size, out: int, kernel: Pair = (1, 1), stride: Pair = (1, 1), style: int = 0,
             valid: bool = False) -> Case:  # fmt: skip
        number = next(numbers)
        more, zero = _styled(random, style)
        padding = (0, 0, 0, 0) if valid else _same(kernel, stride, size)
        op = conv(stride, padding, out=golden.output(kernel[0] * kernel[1] * size[2], zero), **more)
        return golden.weighted_case(f"conv_{number}", op, _input(size, number), (out, *kernel, size[2]), 0, seed=number)

    for style in range(len(_STYLES)):
        for channels in (3, 8, 16, 17, 24, 32, 40, 64, 96, 130, 256):
            out = int(random.choice([2, 4, 7, 8, 16, 24, 33, 48, 64]))
            yield case(_sizes(random, max(channels, out)), out, style=style)
        for channels in (4, 8, 12, 16, 32, 64):
            kernel, stride = [((3, 3), (1, 1)), ((3, 3), (2, 2)), ((1, 1), (2, 2)), ((5, 5), (1, 1)), ((3, 1), (1, 1)),
                              ((1, 7), (1, 2)), ((10, 4), (2, 2))][int(random.integers(7))]  # fmt: skip
            size = _sizes(random, channels, 2, 11)
            yield case(size, int(random.choice([2, 5, 8, 16, 32])), kernel, stride, style)
        for channels, kernel in ((1, (3, 3)), (1, (5, 5)), (1, (10, 4)), (2, (3, 3)), (3, (3, 3)), (3, (5, 5)),
                                 (3, (7, 7)), (6, (3, 3)), (5, (5, 5)), (10, (3, 3))):  # fmt: skip
            stride = int(random.integers(1, 3))
            size = _sizes(random, max(channels, 4), 2, 11)
            yield case((*size[:2], channels), int(random.choice([3, 8, 16, 20])), kernel, (stride, stride), style)
        for size in ((1, 1, 40), (1, 1, 64), (4, 4, 8), (3, 5, 16), (1, 1, 256), (1, 1, 7), (2, 2, 33)):
            yield case(size, int(random.choice([1, 3, 6, 12, 30])), size[:2], style=style, valid=True)
    for height, width, rows, stride, out in ((49, 40, 3, 2, 16), (49, 40, 5, 2, 32), (39, 24, 3, 1, 20),
                                             (61, 32, 9, 2, 24), (25, 20, 5, 1, 12), (98, 40, 3, 3, 8)):  # fmt: skip
        for style in (0, 1, 3):  # first layers that collapse the frequencies of a spectrogram
            number = next(numbers)
            more, zero = _styled(random, style)
            op = conv((stride, 1), (rows // 2, rows // 2, 0, 0), out=golden.output(rows * width, zero), **more)
            yield golden.weighted_case(f"conv_{number}", op, _input((height, width, 1), number), (out, rows, width, 1),
                                       0, seed=number)  # fmt: skip
    for run in range(1, 16):  # kernels of their own
        widths = [n for n in range(1, run + 1) if run % n == 0 and run // n % 4]
        for number in range(8):
            kernel = (int(random.integers(1, 6)), int(random.choice(widths)))
            size = (int(random.integers(9, 26)), int(random.integers(16, 26)), run // kernel[1])
            stride = int(random.integers(1, 3))
            yield case(size, int(random.choice([3, 8, 12])), kernel, (stride, stride), number, valid=number % 3 == 2)


def _depthwise(random: np.random.Generator) -> Iterator[Case]:
    depthwise, numbers = operators()["depthwise_conv2d"], count(1)

    def case(size: Size, kernel: Pair, stride: Pair = (1, 1), style: int = 0, valid: bool = False,
             gain: float = 1.0) -> Case:  # fmt: skip
        number = next(numbers)
        more, zero = _styled(random, style)
        padding = (0, 0, 0, 0) if valid else _same(kernel, stride, size)
        op = depthwise(stride, padding, out=golden.output(kernel[0] * kernel[1], zero, gain), **more)
        weights = (1, *kernel, size[2])
        return golden.weighted_case(f"depthwise_{number}", op, _input(size, number), weights, 3, seed=number)

    for style in range(len(_STYLES)):
        for side in (3, 5, 7):
            for stride in (1, 2, 1, 2):
                channels = int(random.choice([2, 3, 8, 15, 16, 24, 32, 48, 64]))
                yield case(_sizes(random, channels, stride, side + 1), (side, side), (stride, stride), style)
        for channels, gain in ((8, 0.05), (16, 8.0), (24, 0.02)):  # scales that one shift does not fit
            yield case(_sizes(random, channels, 1, 4), (3, 3), (1, 1), style, gain=gain)
            yield case(_sizes(random, channels, 2, 4), (3, 3), (2, 2), style, gain=gain)
        for length, channels in ((5, 32), (9, 24), (13, 33), (29, 16)):
            yield case((length + int(random.integers(0, 20)), 1, channels), (length, 1), style=style, valid=True)
        for side, channels in ((2, 16), (3, 8), (5, 36), (4, 64)):
            yield case((side, side, channels), (side, side), style=style, valid=True)
        yield case((8, 9, 12), (3, 5), (1, 1), style)
        yield case((12, 9, 12), (9, 9), (1, 1), style)
    for style in range(len(_STYLES)):  # along time, where a first layer has collapsed the frequencies
        for frames, kernel, channels in ((49, 3, 24), (25, 5, 32), (25, 9, 48), (13, 15, 48), (13, 5, 64), (7, 3, 96),
                                         (40, 7, 16)):  # fmt: skip
            for stride in (1, 2):
                yield case((frames, 1, channels), (kernel, 1), (stride, 1), style)


def _fully_connected(random: np.random.Generator) -> Iterator[Case]:
    kind, numbers = operators()["fully_connected"], count(1)
    sizes = ((8, 128), (128, 8), (640, 40), (64, 12), (33, 5), (256, 2), (100, 10), (16, 16), (300, 3))
    for rounding, act, zero in (("single", (-128, 127), -5), ("single", (-128, 127), -128), ("high", (-128, 100), -128),
                                ("double", (-128, 127), -5), ("double", (-100, 127), -5)):  # fmt: skip
        for inputs, outputs in sizes:
            for tensor in (True, False):
                number = next(numbers)
                op = kind(golden.output(inputs, zero), *act, rounding)
                yield golden.weighted_case(f"fc_{number}", op, _input((inputs,), number), (outputs, inputs), 0,
                                           seed=number, per_tensor=tensor)  # fmt: skip


def _plain(name: str, op: object, *shapes: tuple[int, ...], zeros: tuple[int, ...] = (3, -7, 0)) -> Case:
    kinds = tuple(golden.activation((1, *shape), zero) for shape, zero in zip(shapes, zeros, strict=False))
    return Case(name, op, tuple(golden.bytes_of(i, k.shape) for i, k in enumerate(kinds)), kinds)


# scales of a, b and the output under which a sum takes each of its kernels
_SUMS = {"even": (0.1, 0.1, 0.15), "uneven": (0.013, 0.2, 0.11), "loud": (1.0, 3.0, 0.01), "ties": (0.16, 0.19, 0.06),
         "twice": (4.0, 0.5, 0.0625)}  # fmt: skip
_PRODUCTS = {"even": (0.1, 0.1, 0.9), "loud": (0.1, 0.1, 0.0001)}


def _sums(random: np.random.Generator) -> Iterator[Case]:
    flat = ((7, 9, 16), (12, 5, 33), (3, 3, 64), (20, 20, 4), (1, 1, 47))
    wide = ((7, 9, 16), (5, 5, 32), (12, 13, 3))
    shapes = [(n, n) for n in flat] + [(n, (1, 1, n[2])) for n in wide] + [(n, (*n[:2], 1)) for n in wide]
    for name in ("add", "sub", "mul"):
        for scales in (_PRODUCTS if name == "mul" else _SUMS).values():
            for rounding, act in (("double", (-128, 127)), ("double", (-100, 110)), ("high", (-128, 127))):
                op = operators()[name](QuantParams(scales[2:], 9), *act, rounding)
                for pair in shapes:
                    kinds = tuple(TensorType((1, *n), "int8", QuantParams((scale,), zero))
                                  for n, scale, zero in zip(pair, scales, (3, -7), strict=False))  # fmt: skip
                    data = tuple(golden.bytes_of(i, k.shape) for i, k in enumerate(kinds))
                    yield Case(f"{name}_{rounding}", op, data, kinds)


def _pools(random: np.random.Generator) -> Iterator[Case]:
    steps = (((2, 2), (2, 2)), ((3, 3), (2, 2)), ((3, 3), (1, 1)), ((4, 2), (2, 1)), ((5, 5), (5, 5)))
    for name in ("average_pool2d", "max_pool2d"):
        for channels in (1, 3, 8, 16, 33, 64):
            for kernel, stride in steps:
                height, width, _ = size = _sizes(random, channels, 2, 6)
                size = (min(height, 15), min(width, 15), channels)
                for act in ((-128, 127), (-60, 100))[: 1 + (kernel == (3, 3))]:
                    yield _plain(name, operators()[name](kernel, stride, _same(kernel, stride, size), *act), size)


def _means(random: np.random.Generator) -> Iterator[Case]:
    mean = operators()["mean"]
    for rounding, out in (("high", None), ("double", QuantParams((0.09,), -5)), ("double", QuantParams((1e-4,), -5)),
                          ("single", QuantParams((0.09,), -5))):  # fmt: skip
        for size in ((25, 5, 64), (8, 8, 64), (3, 3, 256), (12, 9, 7), (20, 18, 19), (1, 10, 160),
                     (5, 5, 3), (17, 1, 40), (18, 19, 8), (6, 6, 9), (9, 3, 18)):  # fmt: skip
            yield _plain("mean", mean(out=out, rounding=rounding), size)
        yield _plain("mean_rows", mean((2,), True, out, rounding), (12, 9, 24))


def _others(random: np.random.Generator) -> Iterator[Case]:
    found = operators()
    for arithmetic in ("table", "gemmlowp"):
        for classes in (2, 3, 10, 12, 35, 100):
            yield _plain("softmax", found["softmax"](arithmetic=arithmetic), (classes,))
        yield _plain("softmax_rows", found["softmax"](arithmetic=arithmetic), (7, 12))
    for shape in ((9, 9, 8), (5, 7, 33), (3, 4, 5), (64,), (20, 10, 16)):
        yield _plain("lookup", found["lookup"]("hard_swish", QuantParams((0.1,), 0)), shape)
        if len(shape) == 1:
            continue
        for axis in (1, 2, 3):
            other = tuple(n + (i == axis - 1) * 2 for i, n in enumerate(shape))
            yield _plain("concat", found["concat"](axis), shape, other, zeros=(3, 3))
        for padding in (((0, 0), (1, 1), (1, 1), (0, 0)), ((0, 0), (2, 0), (0, 3), (1, 2)),
                        ((0, 0), (3, 3), (0, 0), (0, 0))):  # fmt: skip
            yield _plain("pad", found["pad"](padding), shape)
        for axes in ((0, 3, 1, 2), (0, 2, 1, 3), (0, 1, 3, 2)):
            yield _plain("transpose", found["transpose"](axes), shape)
        yield _plain("slice", found["slice"]((0, 1, 0, 0), (1, shape[0] - 2, shape[1], shape[2]), (1, 1, 1, 1)), shape)
        halved = (1, (shape[0] + 1) // 2, shape[1] - 1, shape[2])
        yield _plain("slice", found["slice"]((0, 0, 0, 0), halved, (1, 2, 1, 1)), shape)
        for name in ("resize_nearest", "resize_bilinear"):
            yield _plain(name, found[name]((2 * shape[0], 2 * shape[1])), shape)
            yield _plain(name, found[name]((shape[0] - 1, 2 * shape[1])), shape)
        history, row = ((1, *s) for s in (shape, (1, *shape[1:])))
        kinds = (golden.activation(history), golden.activation(row))
        yield Case("shift_in", found["shift_in"](), tuple(golden.bytes_of(1, k.shape) for k in kinds), kinds)
    yield Case("count_up", found["count_up"](7), (np.array([0], np.int32),), (TensorType((1,), "int32"),))
