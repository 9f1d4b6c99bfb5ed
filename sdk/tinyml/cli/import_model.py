"""`tinyml import MODEL`: a TFLite or ONNX model becomes a saved graph."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tinyml.cli.output import ProgressBars, log, out, print_json, print_table
from tinyml.cli.session import Json
from tinyml.errors import UsageError

NAME = "import"
METHODS = ("minmax", "percentile")


def command(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A .tflite or .onnx file.")],
    output: Annotated[Path | None, typer.Option("-o", "--output", metavar="NAME.tir", help="Default: beside you, named "
                                                "as the model.")] = None,
    name: Annotated[str | None, typer.Option(help="Name of the graph. Default: the file's.")] = None,
    calibrate: Annotated[Path | None, typer.Option(metavar="DIR", help="Quantise a float ONNX model on the items in "
                                                   "this folder.")] = None,
    method: Annotated[str, typer.Option(help="Ranges by calibration: minmax or percentile.")] = "minmax",
    percentile: Annotated[float, typer.Option(help="What `--method percentile` keeps.")] = 99.99,
    json: Json = False,
) -> None:  # fmt: skip
    """Show which operators of MODEL are supported, then write it as a graph for every other verb."""
    from tinyml.importers import load_model
    from tinyml.importers.operators import operators_in
    from tinyml.ir.save import save

    if calibrate is not None and model.suffix.lower() != ".onnx":
        raise UsageError("--calibrate takes a float ONNX model", hint="a TFLite model must be int8 already")
    if method not in METHODS:
        raise UsageError(f"there is no calibration method `{method}`", hint=f"known here: {', '.join(METHODS)}")
    if not 50 < percentile <= 100:
        raise UsageError(f"percentile {percentile:g} is outside (50, 100]")
    uses = operators_in(model)
    if not json:
        print_table("", ["operator", "count", "status"], [[u.operator, u.count, u.status] for u in uses])
    noise = ()
    if calibrate is None:
        graph = load_model(model, name)
    else:
        from tinyml.importers.calibrate import calibrate_onnx

        with ProgressBars().shown() as bars:
            result = calibrate_onnx(model, calibrate, method, percentile=percentile, name=name, progress=bars)
        graph, noise = result.graph, result.layers
    folder = save(graph, output or Path(f"{model.stem}.tir"))
    if json:
        print_json({"folder": folder, "name": graph.name, "nodes": len(graph.nodes), "operators": uses,
                    "inputs": _values(graph, graph.inputs), "outputs": _values(graph, graph.outputs),
                    "noise": [layer.record() for layer in noise]})  # fmt: skip
        return
    if noise:
        rows = [[n.layer, n.operator, f"{n.snr_db:.1f} dB" if n.is_noisy else "exact"] for n in noise]
        print_table("\nsignal to quantisation noise", ["layer", "operator", "ratio"], rows)
        out.print("(every 20 dB: ten times less noise; what a layer below about 20 dB costs shows in the accuracy)")
    for what, values in (("input", graph.inputs), ("output", graph.outputs)):
        for value in _values(graph, values):
            out.print(f"{what} {value['name']}: int8{value['shape']}, scale {value['scale']:.6g}, "
                      f"zero point {value['zero_point']}", markup=False)  # fmt: skip
    out.print(f"{len(graph.nodes)} layers in {folder}", markup=False)
    log.print(f"\n[bold cyan]next:[/] tinyml bench {folder}, or tinyml export {folder} DIR")


def _values(graph, names: tuple[str, ...]) -> list[dict]:  # noqa: ANN001 (typing it would import the graph at start-up)
    kinds = [(name, graph.types[name]) for name in names]
    return [{"name": n, "shape": list(k.shape), "scale": k.quant.scale, "zero_point": k.quant.zero_point}
            for n, k in kinds]  # fmt: skip
