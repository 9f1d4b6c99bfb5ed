"""`tinyml export MODEL --format c DIR`: a network as C for any project."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tinyml.board import CORES
from tinyml.cli.output import log, out, print_json
from tinyml.cli.session import Json
from tinyml.errors import UsageError

NAME = "export"
FORMATS = ("c",)


def command(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A .tir folder, a .tflite or an .onnx file.")],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where the files go: new, or an earlier export.")],
    format: Annotated[str, typer.Option(help=f"One of: {', '.join(FORMATS)}.")] = "c",
    isa: Annotated[str, typer.Option(help=f"Whose kernels: {', '.join(CORES)}.")] = "armv7e-m",
    name: Annotated[str, typer.Option(help="What files, macros and global symbols start with.")] = "m",
    stream: Annotated[
        bool, typer.Option("--stream", help="Take frames (or rows) one by one instead of whole inputs.")
    ] = False,
    flash: Annotated[
        int | None, typer.Option(min=1, metavar="BYTES", help="Choose kernels to keep code and weights below this.")
    ] = None,
    cycles: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Choose kernels to keep an inference below this.")
    ] = None,
    json: Json = False,
) -> None:
    """Write C that any project can add: no library, no heap, the same bytes on every core."""
    from tinyml.board import named_isa
    from tinyml.compiler import Budget
    from tinyml.exporters import export_c
    from tinyml.importers import load_model

    if format not in FORMATS:
        raise UsageError(f"there is no format `{format}`", hint=f"known here: {', '.join(FORMATS)}")
    if isa not in CORES:
        raise UsageError(f"there is no instruction set `{isa}`", hint=f"known here: {', '.join(CORES)}")
    budget = Budget(flash, cycles)
    done = export_c(load_model(model), named_isa(isa), name, folder, stream=stream, budget=budget)
    if json:
        print_json(done)
        return
    out.print(f"{done.folder}: {done.name}.h, {done.name}.c, {len(done.files) - 4} kernels, {done.name}_test.c")
    out.print(f"arena {done.arena_bytes:,} bytes, weights {done.weight_bytes:,} bytes, "
              f"{done.macs:,} multiply-accumulates")  # fmt: skip
    if done.windows:
        out.print(_pushes(done.windows, done.name), markup=False)
    log.print(f"\n[bold cyan]next:[/] cd {done.folder} && cc -std=c11 -O2 {done.name}.c {done.name}_test.c "
              f"-o {done.name}_test && ./{done.name}_test")  # fmt: skip


def _pushes(windows, name: str) -> str:  # noqa: ANN001 (typing it would import the compiler at start-up)
    """What a push means, in one line."""
    frames, size = windows.frames, windows.frame_bytes
    if windows.overlap:
        return (f"windows overlap: from push {frames} on, every {name}_push of a frame of {size} bytes gives the "
                f"output of the newest {frames} frames")  # fmt: skip
    return (f"windows do not overlap ({windows.why_apart}): {frames} pushes of {size} bytes are one input; the last "
            f"of them gives its output, and the next {name}_push begins another input")  # fmt: skip
