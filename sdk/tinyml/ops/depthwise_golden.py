"""Golden cases of the depthwise convolution."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from tinyml.ir.op import Case, Op
from tinyml.ir.requantize import Rounding
from tinyml.ops import golden

RELU = (-128, -128)  # zero points: of an input without negative numbers, of an output that relu has clamped


def depthwise_cases(make: Callable[..., Op]) -> Iterable[Case]:
    """Cases of `make(stride, padding, out, act_min, act_max, dilation, rounding)`."""

    def case(name: str, size: tuple[int, int, int], kernel: tuple[int, int] = (3, 3),
             stride: tuple[int, int] = (1, 1), padding: tuple[int, int, int, int] = (1, 1, 1, 1), *,
             zeros: tuple[int, int] = (-3, -5), gain: float = 1.0, act: tuple[int, int] = (-128, 127),
             dilation: tuple[int, int] = (1, 1), rounding: Rounding = "high", **more: object) -> Case:  # fmt: skip
        op = make(stride, padding, golden.output(kernel[0] * kernel[1], zeros[1], gain), *act, dilation, rounding)
        x = golden.activation((1, *size), zeros[0])
        return golden.weighted_case(f"depthwise_{name}", op, x, (1, *kernel, size[2]), 3, **more)

    yield case("1x1_one_of_all", (1, 1, 1), (1, 1), padding=(0, 0, 0, 0))
    yield case("3x3_single_pixel", (1, 1, 5))
    for channels in (1, 2, 3, 4, 5, 7, 8):
        yield case(f"3x3_c{channels}", (5, 4, channels))
        yield case(f"3x3_s2_c{channels}", (5, 6, channels), stride=(2, 2))
        yield case(f"3x3_s2x1_c{channels}", (7, channels, 5), stride=(2, 1))
        yield case(f"3x3_s1x2_c{channels}", (4, 7, channels), stride=(1, 2))
    for width in (1, 2, 3, 5, 6):
        yield case(f"3x3_width{width}", (4, width, 6))
    yield case("3x3_valid", (5, 5, 4), padding=(0, 0, 0, 0))
    yield case("3x3_wide_padding", (2, 2, 4), padding=(2, 2, 2, 2))
    for index, side in enumerate(("top", "bottom", "left", "right")):
        yield case(f"3x3_{side}_only", (5, 5, 4), padding=tuple(int(i == index) for i in range(4)))
        yield case(f"2x4_{side}_only", (5, 6, 3), (2, 4), padding=tuple(int(i == index) for i in range(4)))
    yield case("1x3", (4, 7, 4), (1, 3), padding=(0, 0, 1, 1))
    yield case("3x1", (7, 4, 4), (3, 1), padding=(1, 1, 0, 0))
    yield case("29x1_stream", (29, 1, 4), (29, 1), padding=(0, 0, 0, 0))
    yield case("5x5", (7, 6, 4), (5, 5), padding=(2, 2, 2, 2))
    yield case("5x5_s2", (7, 6, 4), (5, 5), (2, 2), (1, 2, 1, 2))
    yield case("7x7", (8, 8, 4), (7, 7), padding=(3, 3, 3, 3))
    yield case("11x11_portable", (12, 12, 2), (11, 11), padding=(5, 5, 5, 5))
    yield case("stride_past_edge", (4, 5, 4), (2, 2), (3, 4), (0, 1, 1, 0))
    yield case("stride_uneven", (7, 9, 4), (3, 3), (1, 3), (1, 1, 0, 0))
    yield case("dilated", (9, 9, 4), (3, 3), (1, 2), (2, 2, 3, 1), dilation=(2, 3))
    for zero in (-128, 0, 127):
        yield case(f"zero_points_{zero}".replace("-", "m"), (4, 5, 4), zeros=(zero, -zero - 1))
    for x, weights in ((127, 127), (-128, 127), (127, -127), (-128, -127)):
        name = f"saturating_{x}_{weights}".replace("-", "m")
        yield case(name, (3, 3, 4), fill=golden.Fill(x, weights), gain=20.0)
    yield case("huge_bias", (2, 2, 4), bias=2_000_000_000)
    yield case("huge_negative_bias", (2, 2, 4), bias=-2_000_000_000)
    yield case("relu6", (4, 4, 4), zeros=(-128, -100), act=(-100, 20))
    yield case("left_shift", (3, 3, 4), gain=120.0, fill=golden.Fill(weights=1), bias=5)
    yield case("per_tensor", (4, 4, 4), per_tensor=True)
    for rounding in ("double", "single"):
        yield case(f"rounding_{rounding}", (4, 4, 4), rounding=rounding)
    # Channels of both kinds: some are rounded once, others twice, and negative results of the latter away from zero.
    ones = {"fill": golden.Fill(weights=1), "bias": 5, "rounding": "double"}
    for stride in (1, 2):
        yield case(f"rounded_once_or_twice_s{stride}", (6, 6, 8), stride=(stride, stride), gain=130.0, **ones)
    yield case("rounded_once_or_twice_5x5", (6, 6, 8), (5, 5), padding=(2, 2, 2, 2), gain=210.0, **ones)
    yield case("rounded_once_or_twice_window", (3, 3, 8), padding=(0, 0, 0, 0), gain=130.0, **ones)
    for rounding in ("double", "single"):
        for side in (3, 5, 7):
            for stride in (1, 2):
                name = f"{side}x{side}_s{stride}_{rounding}"
                size, pad = (9, 10, 3), (side // 2,) * 4
                yield case(name, size, (side, side), (stride, stride), pad, rounding=rounding)
                yield case(f"{name}_relu", size, (side, side), (stride, stride), pad, zeros=RELU, rounding=rounding)
    for taps in (3, 5, 6, 10, 15):
        for width in (1, 2):
            size = (taps + 5, width, 4)
            yield case(f"{taps}x1_width{width}", size, (taps, 1), padding=(0, 0, 0, 0), rounding="double")
        for channels in (4, 12):
            name = f"{taps}x1_dot_c{channels}"
            yield case(name, (taps, 1, channels), (taps, 1), padding=(0, 0, 0, 0), rounding="double")
    yield case("3x4_dot_relu", (3, 4, 8), (3, 4), padding=(0, 0, 0, 0), zeros=RELU, rounding="double")
    yield case("2x2_dot_clamped", (2, 2, 4), (2, 2), padding=(0, 0, 0, 0), act=(-20, 30), rounding="single")
    yield case("2x2_dot_huge_bias", (2, 2, 4), (2, 2), padding=(0, 0, 0, 0), bias=-2_000_000_000)
    yield case("7x7_on_3x3", (3, 3, 5), (7, 7), padding=(3, 3, 3, 3), zeros=RELU, rounding="double")
    yield case("7x5_s2x1_uneven", (8, 9, 2), (7, 5), (2, 1), (2, 3, 4, 0), rounding="double")
    yield case("1x9_same", (3, 8, 2), (1, 9), padding=(0, 0, 4, 4), rounding="double")
    yield case("5x5_relu6", (6, 6, 3), (5, 5), padding=(2, 2, 2, 2), zeros=(-128, -100), act=(-100, 20))
    yield case("3x3_tall", (25, 5, 3), zeros=RELU, rounding="double")
    yield case("3x3_tiny_scale", (4, 5, 4), gain=2.0**-9, zeros=RELU, rounding="double")
    yield case("5x5_tiny_scale", (6, 5, 4), (5, 5), padding=(2, 2, 2, 2), gain=2.0**-12, zeros=RELU, rounding="double")
    yield case("3x3_long_rows", (3, 520, 2), zeros=RELU, rounding="double")
