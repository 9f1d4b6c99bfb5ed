"""`tinyml compile`: the int8 network as specialised C."""

from __future__ import annotations

from tinyml.cli.output import out, print_json, print_table
from tinyml.cli.session import HERE, Folder, Json, opened

NAME = "compile"


def command(project: Folder = HERE, json: Json = False) -> None:
    """Generate C for the network and show its layers."""
    with opened(project) as p:
        folder, compiled, load = p.compile().compiled_dir, p.compiled, p.load_estimate
        onnx = p.quantized.onnx_file
    if json:
        print_json({"folder": folder, "onnx": onnx, "arena_bytes": compiled.plan.arena_bytes,
                    "layers": list(compiled.layers), "estimate": load})  # fmt: skip
        return
    rows = [[x.name, x.op, x.variant, x.macs, x.cycles, x.weight_bytes] for x in compiled.layers]
    print_table("", ["layer", "operator", "variant", "MACs", "cycles (est.)", "weight bytes"], rows)
    times = f"{load.latency_ms:.1f} ms an inference, duty {load.duty:.1%}" if load.duty is not None else "no times here"
    out.print(f"arena {compiled.plan.arena_bytes:,} bytes; estimated {load.inference_cycles:,} cycles, {times}")
    out.print(f"C in {folder}")
    out.print(f"ONNX twin (QDQ) in {onnx}")
