"""`tinyml bench`: a network alone on the virtual board, layer by layer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tinyml.cli.output import out, print_json, print_table, usage_bar
from tinyml.cli.session import HERE, Folder, Json, opened
from tinyml.errors import ProjectError, UsageError

NAME = "bench"
COMPILERS, LEVELS, PICTURES = ("zig", "gcc"), ("O1", "O2", "O3", "Os"), (".png", ".svg")
Model = Annotated[
    Path | None, typer.Argument(metavar="[MODEL]", help="A .tir, .tflite or .onnx. Default: the project's network.")
]


def command(
    model: Model = None,
    project: Folder = HERE,
    board: Annotated[str | None, typer.Option(help="Default: the project's, or nrf52840 for a MODEL.")] = None,
    compiler: Annotated[str | None, typer.Option(help="zig or gcc. Default: the project's, or zig.")] = None,
    optimise: Annotated[str, typer.Option(help=f"The compiler's level: {', '.join(LEVELS)}.")] = "O2",
    runs: Annotated[int, typer.Option(min=1, max=200, help="Inputs to compare with the reference.")] = 3,
    picture: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw the memory plan, arena over time, as .png or .svg.")
    ] = None,
    canary: Annotated[
        bool, typer.Option("--canary", help="Prove that no kernel touches memory that the plan did not give it.")
    ] = False,
    json: Json = False,
) -> None:
    """Measure cycles, RAM and flash per layer, and compare every output bit for bit."""
    import tempfile

    from tinyml.bench import measure, prove_canary, sample_inputs
    from tinyml.board import load_board
    from tinyml.compiler import compile_graph
    from tinyml.importers import load_model
    from tinyml.sim import check_virtual

    for value, known in ((compiler, (None, *COMPILERS)), (optimise, LEVELS)):
        if value not in known:
            raise UsageError(f"`{value}` is unknown here", hint=f"one of: {', '.join(k for k in known if k)}")
    if picture is not None and picture.suffix not in PICTURES:
        raise UsageError(f"`{picture}` is neither .png nor .svg")
    if model is None and not (project / "tinyml.toml").exists():
        raise ProjectError("there is no MODEL, and `" + str(project.resolve()) + "` holds no tinyml.toml",
                           hint="name a model, `tinyml bench model.tflite`, or change into a project")  # fmt: skip
    limit_ms = None
    with tempfile.TemporaryDirectory() as scratch:
        if model is None:
            with opened(project, board=board) as p:
                check_virtual(p.board)  # before anything is trained for it
                graph, chosen, limit_ms = p.graph, p.board, p.config.limits.latency_ms
                compiler = compiler or p.config.board.compiler
        else:
            graph, chosen = load_model(model), load_board(board or "nrf52840")
        inputs, compiler = sample_inputs(graph, runs), compiler or "zig"
        result = measure(graph, chosen, Path(scratch), compiler=compiler, optimise=optimise, inputs=inputs,
                         latency_limit_ms=limit_ms)  # fmt: skip
        if picture is not None or canary:
            compiled = compile_graph(graph, chosen.isa)
        if picture is not None:
            from tinyml.report.memory_map import write_plan_figure

            write_plan_figure(compiled.plan, picture)
        if canary:
            prove_canary(compiled, chosen, Path(scratch) / "canary", compiler=compiler, inputs=inputs)
    if json:
        print_json(result.summary())
    else:
        _show(result, chosen)
        if canary:
            out.print("Canary: no layer touched memory that is not its own, on the host and on the board")
    if not result.exact:
        raise ProjectError("the board's output differs from the integer reference", hint="please report this model")


def _show(result, board) -> None:  # noqa: ANN001 (typing it would import the simulator at start-up)
    rows = [
        [f"{number:02d}", x.name, x.op, x.variant, x.macs, x.cycles, f"{x.cycles_per_mac:.2f}" if x.macs else "",
         x.ram_bytes, x.flash_bytes] for number, x in enumerate(result.layers)
    ]  # fmt: skip
    print_table("", ["", "layer", "operator", "variant", "MACs", "cycles", "cycles/MAC", "RAM", "flash"], rows)
    for chain in result.chains:
        out.print(f"Rows:  layers {chain.first:02d}-{chain.last:02d} run row by row: {chain.gain}")
    exact = "bit-exact" if result.exact else "NOT EXACT"
    out.print(f"{result.model} on {result.board} ({result.compiler} -{result.optimise}): {exact} on {result.runs} "
              f"inputs; {result.cycles:,} cycles, {result.macs:,} MACs")  # fmt: skip
    limit = result.latency_limit_ms
    out.print(f"Time:  {result.ms:.1f} ms at {board.cpu_hz / 1e6:g} MHz, times {board.time_factor:g} for what the "
              "cycles leave out (flash wait states)"
              + (f"; the project's limit is {limit:g} ms" if limit else ""))  # fmt: skip
    out.print(usage_bar("RAM:", result.ram_bytes, result.board_ram_bytes)
              + f": arena {result.arena_bytes:,}, stack {result.stack_bytes:,}")  # fmt: skip
    out.print(usage_bar("Flash:", result.flash_bytes, result.board_flash_bytes)
              + f": code {result.code_bytes:,}, weights {result.weight_bytes:,}")  # fmt: skip
