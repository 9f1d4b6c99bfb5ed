"""`tinyml bench`: the network alone on the virtual board, layer by layer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tinyml.cli.output import out, print_json, print_table
from tinyml.cli.session import HERE, Folder, Json, opened
from tinyml.errors import ProjectError

NAME = "bench"
Model = Annotated[Path | None, typer.Argument(metavar="[MODEL.tir]", help="A saved graph. Default: the project's.")]


def command(
    model: Model = None,
    project: Folder = HERE,
    board: Annotated[str | None, typer.Option(help="Default: the project's, or nrf52840 for a MODEL.")] = None,
    compiler: Annotated[str | None, typer.Option(help="zig or gcc. Default: the project's, or zig.")] = None,
    runs: Annotated[int, typer.Option(min=1, max=100, help="Random inputs to compare with the reference.")] = 3,
    json: Json = False,
) -> None:
    """Measure cycles, RAM and flash per layer, and compare every output bit for bit."""
    import tempfile

    import numpy as np

    from tinyml.bench import measure
    from tinyml.board import load_board
    from tinyml.ir.save import load

    with tempfile.TemporaryDirectory() as scratch:
        if model is None:
            with opened(project, board=board) as p:
                graph, chosen, out_dir = p.graph, p.board, p.folder / "build" / "bench"
                compiler = compiler or p.config.board.compiler
        else:
            graph, chosen, out_dir = load(model), load_board(board or "nrf52840"), Path(scratch)
        shape = graph.types[graph.inputs[0]].shape[1:]
        inputs = np.random.default_rng(0).integers(-128, 128, (runs, *shape)).astype(np.int8)
        result = measure(graph, chosen, out_dir, compiler=compiler or "zig", inputs=inputs)
    if json:
        print_json(result.summary())
    else:
        _show(result)
    if not result.exact:
        raise ProjectError("the board's output differs from the integer reference", hint="please report this model")


def _show(result) -> None:  # noqa: ANN001 (typing it would import the simulator at start-up)
    rows = [
        [x.name, x.op, x.variant, x.macs, x.cycles, f"{x.cycles_per_mac:.2f}" if x.macs else "", x.weight_bytes]
        for x in result.layers
    ]
    print_table("", ["layer", "operator", "variant", "MACs", "cycles", "cycles/MAC", "weight bytes"], rows)
    exact = "bit-exact" if result.exact else "NOT EXACT"
    out.print(f"{result.model} on {result.board} ({result.compiler}): {exact} on {result.runs} inputs")
    out.print(f"{result.cycles:,} cycles, {result.ms:.1f} ms, {result.macs:,} MACs")
    out.print(f"RAM {result.ram_bytes:,} bytes (arena {result.arena_bytes:,}, stack {result.stack_bytes:,}); "
              f"flash {result.flash_bytes:,} (weights {result.weight_bytes:,})")  # fmt: skip
