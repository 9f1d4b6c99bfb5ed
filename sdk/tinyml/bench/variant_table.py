"""`python -m tinyml.bench.variant_table`: measure every kernel variant, and write what costs are computed from."""

from __future__ import annotations

import argparse
import importlib.metadata
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np

from tinyml.bench.variant_fit import Fit, errors, fit_families
from tinyml.bench.variant_image import CodeSizes, VariantLayer, measure_layers
from tinyml.bench.variant_layers import variant_layers
from tinyml.board import Board, load_board
from tinyml.errors import TinymlError
from tinyml.ir.op import Case
from tinyml.ir.tensor import Const
from tinyml.ops.cost_table import FILE, NARROW
from tinyml.ops.timing import Work
from tinyml.storage import write_text
from tinyml.toolchain.compiler import run

MOST_LAYERS = 24
"""Of one variant: images stay small, and fits are about families of variants."""
_ROOM_BYTES = 180_000
_HEAD = """\
# What kernels cost on a Cortex-M4: written by `make cost-table`, read by cost_table.py; do not edit.
# Measured on the virtual board at zero flash wait states: {says}.
#
# frame, functions: bytes as zig builds them, in whole words. variants: bytes of a layer's own function and parameters
# (row_layer: where it runs row by row), of a layer and the kernel's own functions together where no other layer runs it
# (alone: compilers then know more; narrow: the same of a layer whose rows are shorter than a tile), and the functions
# that it needs. families: cycles of every part of the kernels; timing.py and timing_convolutions.py count how often
# each runs. Beside them the number of layers that were measured, by how many percent the sum misses them, the median
# and the worst, and how much more gcc's layers take (median).
"""


@dataclass(frozen=True)
class Measured:
    """The layers of one variant's name with their cycles, and the bytes of images with: all `layers`, those that run as
    a whole (all where none does), one of them alone, with which compilers take liberties; one that is narrow, alone,
    where there is any beside others."""

    layers: tuple[VariantLayer, ...]
    cycles: tuple[int, ...]
    code: CodeSizes
    whole: CodeSizes
    alone: CodeSizes
    narrow: CodeSizes | None = None


Chosen = Mapping[str, Sequence[VariantLayer]]


def measure_variants(chosen: Chosen, board: Board, scratch: Path) -> Iterator[tuple[str, Measured]]:
    """Measure every variant, built by zig at -O2. Raises: as `measure_layers`."""
    for name, layers in chosen.items():
        whole = [layer for layer in layers if not layer.by_rows] or layers
        narrow = [layer for layer in whole if layer.variant.tile == NARROW]
        usual = [layer for layer in whole if layer.variant.tile != NARROW] or whole
        alone = [group[len(group) // 2 :][:1] for group in (usual, narrow) if group]
        images = [measure_layers(group, board, "zig", scratch / f"{name}-{number}")
                  for number, group in enumerate((layers, whole, *alone))]  # fmt: skip
        yield name, Measured(tuple(layers), images[0].cycles, *(image.code for image in images))


def gcc_cycles(chosen: Chosen, board: Board, scratch: Path) -> Iterator[tuple[VariantLayer, int]]:
    """The same layers as gcc builds them at -O2. Raises: as `measure_layers`."""
    for name, layers in chosen.items():
        yield from zip(layers, measure_layers(layers, board, "gcc", scratch / f"gcc-{name}").cycles, strict=True)


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


def function_bytes(images: Iterable[CodeSizes]) -> dict[str, int]:
    """The usual size of every shared function."""
    found: dict[str, list[int]] = {}
    for image in images:
        for name, size in image.functions.items():
            found.setdefault(name, []).append(size)
    return {name: int(sorted(sizes)[len(sizes) // 2]) for name, sizes in sorted(found.items())}


def frame_bytes(measured: Sequence[Measured]) -> dict[str, float]:
    """The fields of `FrameCode`: invoke functions of images with few and many layers differ by their calls."""
    frames = [m.code.frame for m in measured]
    slope, base = np.polyfit([len(m.layers) for m in measured], [f["m_invoke"] for f in frames], 1)
    borders = [size for f in frames for name, size in f.items() if name.startswith(("m_input", "m_output"))]
    stages = [size for f in frames for name, size in f.items() if "stages" in name]
    chains = [size for f in frames for name, size in f.items() if name.startswith("m_rows_") and "stages" not in name]
    rows = [f["tm_run_rows"] for f in frames if "tm_run_rows" in f]
    return {
        "network_bytes": base + 2 * median(borders), "call_bytes": slope, "rows_bytes": median(rows),
        "chain_bytes": median(chains), "stage_bytes": median(stages),
    }  # fmt: skip


def variant_bytes(name: str, measured: Measured) -> dict[str, int]:
    """The usual bytes of a layer, of one that runs row by row if any does, and of a kernel with its only layer."""
    whole = [size for owner, size in measured.whole.layers.items() if owner]
    mixed = [size for owner, size in sorted(measured.code.layers.items()) if owner]
    rows = [size for layer, size in zip(measured.layers, mixed, strict=True) if layer.by_rows]
    found = {"layer": round(median(whole)), "alone": _own_bytes(name, measured.alone)}
    if measured.narrow is not None:
        found["narrow"] = _own_bytes(name, measured.narrow)
    return found | ({"row_layer": round(median(rows))} if rows else {})


def _own_bytes(name: str, image: CodeSizes) -> int:
    """Of an image with a single layer of a variant: the layer and the functions that only this variant has."""
    return sum(size for part, size in image.functions.items() if part.startswith(name)) + sum(image.layers.values())


def works(measured: Iterable[tuple[VariantLayer, int]]) -> Iterator[tuple[Work, int]]:
    """What every measured layer does, and its cycles."""
    for layer, cycles in measured:
        rows = {"by_rows": True} if layer.by_rows else {}
        if cycles:
            yield layer.case.op.work(layer.variant, *layer.case.input_types, **rows), cycles


def table_text(measured: Mapping[str, Measured], fits: Mapping[str, Fit], gcc: Mapping[str, float], says: str) -> str:
    """The whole of cost_table.toml; `gcc`: by family, the percentage that gcc's layers take more (or less)."""
    lines = [_HEAD.format(says=says), "[frame]"]
    lines += [f"{name} = {round(float(value), 1)}" for name, value in frame_bytes([*measured.values()]).items()]
    lines += ["", "[functions]"]
    lines += [f'"{name}" = {size}' for name, size in function_bytes(m.whole for m in measured.values()).items()]
    lines += ["", "[variants]"]
    for name, found in sorted(measured.items()):
        sizes = ", ".join(f"{what} = {size}" for what, size in variant_bytes(name, found).items())
        functions = ", ".join(f'"{part}"' for part in sorted(found.whole.functions))
        lines.append(f"{name} = {{{sizes}, functions = [{functions}]}}")
    for name, found in fits.items():
        cycles = ", ".join(f"{part} = {value:g}" for part, value in found.cycles.items())
        lines += ["", f"[families.{name}]", f"layers = {len(found.errors)}",
                  f"median = {found.median_percent:.2f}", f"worst = {found.worst_percent:.2f}"]  # fmt: skip
        lines += [f"gcc = {gcc[name]:.1f}"] * (name in gcc) + [f"cycles = {{{cycles}}}"]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Exit status 0 when the table is written, else the error's."""
    parser = argparse.ArgumentParser(prog="python -m tinyml.bench.variant_table", description=__doc__)
    parser.add_argument("--out", type=Path, default=FILE, help="the file to write (default: the package's own)")
    options = parser.parse_args()
    try:
        write_text(options.out, _measure_all(load_board("nrf52840")))
    except TinymlError as error:
        sys.stderr.write("\n".join([f"error: {error.message}", *(f"  {d}" for d in error.details)]) + "\n")
        return error.exit_code
    sys.stderr.write(f"wrote {options.out}\n")
    return 0


def _measure_all(board: Board) -> str:
    chosen = {name: sample(layers) for name, layers in variant_layers(board.isa).items()}
    with tempfile.TemporaryDirectory() as scratch:
        zig = dict(_with_progress(measure_variants(chosen, board, Path(scratch)), len(chosen)))
        gcc = list(gcc_cycles(chosen, board, Path(scratch)))
    layers = (pair for m in zig.values() for pair in zip(m.layers, m.cycles, strict=True))
    fits = fit_families(works(layers))
    gains = {name: -100 * median(found) for name, found in errors(fits, works(gcc)).items()}
    return table_text(zig, fits, gains, f"zig {importlib.metadata.version('ziglang')}, {_gcc_version()}, -O2")


def _gcc_version() -> str:
    words = run(["arm-none-eabi-gcc", "-dumpfullversion"], "asking gcc for its version")
    return f"arm-none-eabi-gcc {words.strip()}"


def _with_progress(found: Iterator[tuple[str, Measured]], total: int) -> Iterator[tuple[str, Measured]]:
    for done, item in enumerate(found, start=1):
        sys.stderr.write(f"\r{done} of {total} variants")
        yield item
    sys.stderr.write("\n")


if __name__ == "__main__":
    sys.exit(main())
