"""The proof that the optimised build of a network touches only what its memory plan gave it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tinyml.bench.image import build_image
from tinyml.bench.inputs import Inputs
from tinyml.board import Board
from tinyml.compiler import Compiled
from tinyml.compiler.arena_canary import ArenaCanary
from tinyml.errors import ProjectError
from tinyml.sim import check_arena_accesses

UNPREDICATED = {"zig": ("-mllvm", "-ifcvt-limit=0"), "gcc": ("-fno-if-conversion", "-fno-if-conversion2")}
"""Flags without which a compiler may put loads and stores into IT blocks, where they cannot be watched."""
_MOST_SHOWN = 6


def prove_canary(
    compiled: Compiled, board: Board, out_dir: Path, *, inputs: Sequence[Inputs], compiler: str = "zig"
) -> None:
    """Run `compiled` on all `inputs` on the host, step by step with poison in all that is dead, and once on the virtual
    board, where every load and store is looked at.

    Raises: ProjectError naming the layer and the bytes, OverBudgetError, MissingToolError, DeviceError.
    """
    ArenaCanary(compiled).invoke(*(np.concatenate(arrays) for arrays in zip(*inputs, strict=True)))
    image = build_image(compiled, board, compiler, out_dir, flags=UNPREDICATED[compiler])
    strays = check_arena_accesses(compiled, image.elf, board)
    if strays:
        raise ProjectError(
            f"`{compiled.name}` touches memory that its plan did not give it: this is a bug in a kernel",
            details=[
                f"{s.layer or 'the code between layers'} {'writes' if s.write else 'reads'} "
                + (f"0x{s.address:08x}" if s.begin is None else f"arena bytes [{s.begin}, {s.end})")
                for s in strays[:_MOST_SHOWN]
            ],
        )
