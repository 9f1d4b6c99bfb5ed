"""The generated header: sizes, shapes and scales as macros, the functions, and float borders as inline functions."""

from __future__ import annotations

from tinyml.compiler.frame_graph import FrameGraph
from tinyml.compiler.plan import ARENA_ALIGN, Plan
from tinyml.ir.cwriter import CWriter
from tinyml.ir.graph import Graph
from tinyml.ir.tensor import TensorType


def sides(graph: Graph) -> list[tuple[str, str]]:
    """("input", value), ("input_1", value) ... ("output", value) ...: the interface's names of inputs and outputs."""
    both = (("input", graph.inputs), ("output", graph.outputs))
    return [(side if i == 0 else f"{side}_{i}", value) for side, values in both for i, value in enumerate(values)]


def accessor(prefix: str, side: str) -> str:
    """The C declarator of the function that finds one input or output in the arena."""
    if side.startswith("input"):
        return f"int8_t *{prefix}_{side}(void *arena)"
    return f"const int8_t *{prefix}_{side}(const void *arena)"


def header(graph: Graph, plan: Plan, prefix: str) -> str:
    """The text of `PREFIX.h`."""
    upper, w = prefix.upper(), CWriter()
    w.line(f"/* Network `{graph.name}`: generated, do not edit.")
    w.line(" *")
    w.line(f" * Fill the input in the arena, call {prefix}_invoke, read the output. The arena has {upper}_ARENA_BYTES,")
    w.line(f" * is aligned to {upper}_ARENA_ALIGN and needs no initialisation; invoking overwrites the input.")
    w.line(" * The network is integers only: scales, and the inline functions at the end, serve the caller. */")
    w.line(f"#ifndef {upper}_H")
    w.line(f"#define {upper}_H")
    w.line()
    w.line("#include <stdint.h>")
    w.line()
    w.line(f"#define {upper}_ARENA_BYTES {plan.arena_bytes}")
    w.line(f"#define {upper}_ARENA_ALIGN {ARENA_ALIGN}")
    w.line(f"#define {upper}_INPUT_COUNT {len(graph.inputs)}")
    w.line(f"#define {upper}_OUTPUT_COUNT {len(graph.outputs)}")
    for side, value in sides(graph):
        _shape_macros(w, prefix, side.upper(), graph.types[value])
    w.line()
    for side, _ in sides(graph):
        w.line(f"{accessor(prefix, side)};")
    w.line(f"void {prefix}_invoke(void *arena);")
    for side, value in sides(graph):
        if graph.types[value].quant is not None:
            (_quantizer if side.startswith("input") else _dequantizer)(w, prefix, side)
    w.line()
    w.line("#endif")
    return w.text()


def stream_header(frames: FrameGraph, plan: Plan, prefix: str) -> str:
    """The text of `PREFIX.h` for a network that takes one frame at a time and whose windows overlap."""
    upper, graph = prefix.upper(), frames.graph
    says = (f"that of the newest {upper}_WINDOW_FRAMES frames. Each push",
            "after the first full window gives a new output.")  # fmt: skip
    return _push_header(graph.name, frames.window, graph.types[frames.output], plan, prefix, 1, says)


def rows_header(graph: Graph, plan: Plan, prefix: str) -> str:
    """The text of `PREFIX.h` for a network that takes its input row by row."""
    upper = prefix.upper()
    says = (f"after every {upper}_WINDOW_FRAMES rows, which are one",
            "whole input; the next push begins the next one.")  # fmt: skip
    kinds = graph.types[graph.inputs[0]], graph.types[graph.outputs[0]]
    return _push_header(graph.name, *kinds, plan, prefix, 0, says)


def _push_header(
    name: str, window: TensorType, output: TensorType, plan: Plan, prefix: str, overlap: int, says: tuple[str, str]
) -> str:
    upper, w = prefix.upper(), CWriter()
    w.line(f"/* Network `{name}`, fed row by row: generated, do not edit.")
    w.line(" *")
    w.line(f" * Call {prefix}_reset once, then {prefix}_push with every frame of {upper}_FRAME_BYTES. It gives 1 when")
    w.line(f" * the output is valid: {says[0]}")
    w.line(f" * {says[1]}")
    w.line(f" * The arena has {upper}_ARENA_BYTES, is aligned to {upper}_ARENA_ALIGN, and keeps the state. */")
    w.line(f"#ifndef {upper}_H")
    w.line(f"#define {upper}_H")
    w.line()
    w.line("#include <stdint.h>")
    w.line()
    w.line(f"#define {upper}_ARENA_BYTES {plan.arena_bytes}")
    w.line(f"#define {upper}_ARENA_ALIGN {ARENA_ALIGN}")
    w.line(f"#define {upper}_INPUT_COUNT 1")
    w.line(f"#define {upper}_OUTPUT_COUNT 1")
    w.line(f"#define {upper}_FRAME_BYTES {window.size_bytes // window.shape[1]}")
    w.line(f"#define {upper}_WINDOW_FRAMES {window.shape[1]}")
    w.line(f"#define {upper}_WINDOWS_OVERLAP {overlap}")
    _shape_macros(w, prefix, "INPUT", window)
    _shape_macros(w, prefix, "OUTPUT", output)
    w.line()
    w.line(f"void {prefix}_reset(void *arena);")
    w.line(f"int {prefix}_push(void *arena, const int8_t *frame);")
    w.line(f"{accessor(prefix, 'output')};")
    _quantizer(w, prefix, "input")
    _dequantizer(w, prefix, "output")
    w.line()
    w.line("#endif")
    return w.text()


def _shape_macros(w: CWriter, prefix: str, side: str, kind: TensorType) -> None:
    upper = f"{prefix.upper()}_{side}"
    w.line(f"#define {upper}_BYTES {kind.size_bytes}")
    w.line(f"#define {upper}_DIMS {len(kind.shape)}")
    for index, size in enumerate(kind.shape):
        w.line(f"#define {upper}_DIM_{index} {size}")
    if kind.quant is not None:
        w.line(f"#define {upper}_SCALE {kind.quant.scale!r}")
        w.line(f"#define {upper}_ZERO_POINT ({kind.quant.zero_point})")


def _quantizer(w: CWriter, prefix: str, side: str) -> None:
    """Rounds halves away from zero, as LiteRT's QUANTIZE does; whole and rest are exact, so no second rounding."""
    upper = f"{prefix.upper()}_{side.upper()}"
    w.line()
    w.line("/* The int8 value of a real number: rounded to nearest, halves away from zero; saturated. */")
    with w.block(f"static inline int8_t {prefix}_{side}_quantize(float real)"):
        w.line(f"const float scaled = real / (float){upper}_SCALE;")
        with w.block(f"if (!(scaled > (float)(-128 - {upper}_ZERO_POINT)))"):
            w.line("return -128;")
        with w.block(f"if (scaled >= (float)(127 - {upper}_ZERO_POINT))"):
            w.line("return 127;")
        w.line("const int32_t whole = (int32_t)scaled;")
        w.line("const float rest = scaled - (float)whole;")
        w.line(f"return (int8_t)(whole + (rest >= 0.5f) - (rest <= -0.5f) + {upper}_ZERO_POINT);")


def _dequantizer(w: CWriter, prefix: str, side: str) -> None:
    upper = f"{prefix.upper()}_{side.upper()}"
    w.line()
    w.line("/* The real number that an int8 value stands for. */")
    with w.block(f"static inline float {prefix}_{side}_dequantize(int8_t value)"):
        w.line(f"return (float){upper}_SCALE * (float)((int32_t)value - {upper}_ZERO_POINT);")
