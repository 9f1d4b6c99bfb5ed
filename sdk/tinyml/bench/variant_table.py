"""`python -m tinyml.bench.variant_table`: measure every kernel variant, and write what costs are computed from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np

from tinyml.bench.variant_image import VariantImage, VariantLayer, measure_layers
from tinyml.board import Board
from tinyml.ir.op import Case
from tinyml.ir.tensor import Const

MOST_LAYERS = 24
"""Of one variant: images stay small, and fits are about families of variants."""
_ROOM_BYTES = 180_000
_HEAD = """\
# What kernels cost on a Cortex-M4: written by `make cost-table`, read by cost_table.py; do not edit.
# Measured on the virtual board at zero flash wait states; {compilers}.
# frame, functions: bytes, in whole words. variants: bytes of a layer's own function and parameters, and the functions
# that the variant needs. families: cycles of every part of a kernel (timing.py counts how often each runs), the number
# of layers measured, and by how much the formula misses them, in percent.
"""


@dataclass(frozen=True)
class Measured:
    """The layers of one variant's name and what their image says."""

    layers: tuple[VariantLayer, ...]
    image: VariantImage


def measure_variants(
    chosen: Mapping[str, Sequence[VariantLayer]], board: Board, compiler: str, scratch: Path, optimise: str = "O2"
) -> Iterator[tuple[str, Measured]]:
    """Measure an image for every variant. Raises: as `measure_layers`."""
    for name, layers in chosen.items():
        folder = scratch / f"{compiler}-{name}"
        yield name, Measured(tuple(layers), measure_layers(layers, board, compiler, folder, optimise))


def sample(layers: Sequence[VariantLayer]) -> list[VariantLayer]:
    """At most MOST_LAYERS of them, evenly spread, and as many as have room in the memory of a board."""
    for most in range(min(MOST_LAYERS, len(layers)), 1, -1):
        chosen = [layers[round(i * (len(layers) - 1) / (most - 1))] for i in range(most)]
        if sum(_border_bytes(layer.case) for layer in chosen) < _ROOM_BYTES:
            return chosen
    return list(layers[:1])


def _border_bytes(case: Case) -> int:
    """What the caller keeps of a layer's inputs and outputs."""
    moved = (k for k, v in zip(case.input_types, case.inputs, strict=True) if not isinstance(v, Const))
    return sum(kind.size_bytes for kind in (*moved, *case.op.infer(*case.input_types)))


def function_bytes(images: Iterable[VariantImage]) -> dict[str, int]:
    """The usual size of every shared function."""
    found: dict[str, list[int]] = {}
    for image in images:
        for name, size in image.code.functions.items():
            found.setdefault(name, []).append(size)
    return {name: int(sorted(sizes)[len(sizes) // 2]) for name, sizes in sorted(found.items())}


def frame_bytes(measured: Sequence[Measured]) -> dict[str, float]:
    """The fields of `FrameCode`: invoke functions of images with few and many layers differ by their calls."""
    frames = [m.image.code.frame for m in measured]
    slope, base = np.polyfit([len(m.layers) for m in measured], [f["m_invoke"] for f in frames], 1)
    borders = [size for f in frames for name, size in f.items() if name.startswith(("m_input", "m_output"))]
    stages = [size for f in frames for name, size in f.items() if "stages" in name]
    chains = [size for f in frames for name, size in f.items() if name.startswith("m_rows_") and "stages" not in name]
    rows = [f["tm_run_rows"] for f in frames if "tm_run_rows" in f]
    return {
        "network_bytes": base + 2 * median(borders), "call_bytes": slope, "rows_bytes": median(rows),
        "chain_bytes": median(chains), "stage_bytes": median(stages),
    }  # fmt: skip


def layer_bytes(measured: Measured) -> tuple[int, int]:
    """The usual bytes of a whole layer and of one that runs row by row."""
    sizes: dict[bool, list[int]] = {False: [], True: []}
    own = [size for name, size in sorted(measured.image.code.layers.items()) if name]
    for layer, size in zip(measured.layers, own, strict=True):
        sizes[layer.by_rows].append(size)
    return tuple(round(median(found)) if found else 0 for found in (sizes[False] or sizes[True], sizes[True]))


def table_text(measured: Mapping[str, Measured], families: str, compilers: str) -> str:
    """The whole of cost_table.toml."""
    lines = [_HEAD.format(compilers=compilers), "[frame]"]
    lines += [f"{name} = {round(float(value), 1)}" for name, value in frame_bytes([*measured.values()]).items()]
    lines += ["", "[functions]"]
    lines += [f'"{name}" = {size}' for name, size in function_bytes(m.image for m in measured.values()).items()]
    lines += ["", "[variants]"]
    for name, found in sorted(measured.items()):
        whole, rows = layer_bytes(found)
        row_layer = f", row_layer = {rows}" * (rows > 0)
        parts = ", ".join(f'"{part}"' for part in sorted(found.image.code.functions))
        lines.append(f"{name} = {{layer = {whole}{row_layer}, functions = [{parts}]}}")
    return "\n".join([*lines, "", families]).rstrip() + "\n"
