"""Material for the operators' golden cases: tensors and weights from seeds, with scales that use the whole of int8."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from tinyml.ir.op import Case, Op
from tinyml.ir.tensor import Const, QuantParams, TensorType

IN_SCALE = 0.1


@dataclass(frozen=True)
class Fill:
    """How a case's data are drawn: `random` over all of int8, or one constant for saturating sums."""

    x: int | None = None
    weights: int | None = None


def activation(shape: tuple[int, ...], zero_point: int = -3) -> TensorType:
    return TensorType(shape, "int8", QuantParams((IN_SCALE,), zero_point))


def output(taps: int, zero_point: int = -5, gain: float = 1.0) -> QuantParams:
    """An output scale under which sums of `taps` random products spread over int8 (`gain` above 1: saturate more)."""
    return QuantParams((IN_SCALE * 0.005 * 74 * 74 * taps**0.5 / 60 / gain,), zero_point)


def bytes_of(seed: int, shape: tuple[int, ...], constant: int | None = None) -> np.ndarray:
    if constant is not None:
        return np.full(shape, constant, np.int8)
    return np.random.default_rng(seed).integers(-128, 128, shape).astype(np.int8)


def weighted_case(
    name: str, op: Op, x: TensorType, weights_shape: tuple[int, ...], axis: int, *, seed: int = 1,
    fill: Fill = Fill(), per_tensor: bool = False, bias: int | None = None,
) -> Case:  # fmt: skip
    """A case of an operator with weights and bias; scales differ per channel unless `per_tensor`."""
    random = np.random.default_rng(seed + 1000)
    channels = weights_shape[axis]
    weights = bytes_of(seed, weights_shape, fill.weights).clip(-127, 127)
    if per_tensor:
        quant = QuantParams((0.005,), 0)
    else:
        quant = QuantParams(tuple(random.uniform(0.002, 0.008, channels)), 0, axis)
    values = np.full(channels, bias) if bias is not None else random.integers(-3000, 3000, channels)
    constants = (Const.of(weights, quant), Const.of(values.astype(np.int32)))
    data = bytes_of(seed + 2000, x.shape, fill.x)
    return Case(name, op, (data, *constants), (x, *(c.type for c in constants)))


def plain_cases(
    prefix: str, op: Op, kinds: dict[str, tuple[TensorType, ...]], ends: tuple[int | None, ...] = (None, -128, 127)
) -> Iterator[Case]:
    """Cases of an operator without constants: random data, then all at either end of int8, as `ends` asks."""
    for name, types in kinds.items():
        for end in ends:
            suffix = "" if end is None else f"_all{end}".replace("-", "m")
            data = tuple(bytes_of(7 + i, t.shape, end) for i, t in enumerate(types))
            yield Case(f"{prefix}_{name}{suffix}", op, data, types)


def broadcast_cases(prefix: str, make: Callable[[int | None], Op]) -> Iterator[Case]:
    """Cases of an operator on two tensors of different shapes; `make` takes the index of the constant operand."""
    shapes = {
        "channels": ((1, 3, 4, 5), (1, 1, 1, 5)), "scalar": ((1, 3, 2, 3), (1, 1, 1, 1)),
        "last_axis": ((1, 2, 3, 7), (7,)), "pixels": ((1, 3, 4, 5), (1, 3, 4, 1)), "both": ((1, 3, 1, 5), (1, 1, 4, 1)),
        "first": ((1, 1, 1, 2), (1, 5, 3, 2)), "rows": ((1, 3, 4, 2), (1, 3, 1, 2)), "one": ((1, 1), (1, 1)),
    }  # fmt: skip
    for name, (a, b) in shapes.items():
        kinds = (activation(a, 3), activation(b, -7))
        for constant in (None, 0, 1):
            if constant != 1 and len(b) == 1:
                continue  # an activation has a batch
            data = [bytes_of(11 + i, kind.shape) for i, kind in enumerate(kinds)]
            inputs = tuple(Const.of(v, k.quant) if i == constant else v
                           for i, (v, k) in enumerate(zip(data, kinds, strict=True)))  # fmt: skip
            suffix = "" if constant is None else f"_constant{constant}"
            yield Case(f"{prefix}_{name}{suffix}", make(constant), inputs, kinds)


def random_cases(prefix: str, op: Op, kinds: dict[str, tuple[TensorType, ...]]) -> Iterator[Case]:
    """Cases of an operator without constants on random data only."""
    return plain_cases(prefix, op, kinds, (None,))
