"""C emission: header, constants, one function per shared kernel, one per layer, and the invoke function."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import tinyml.ir
import tinyml.ops
from tinyml.compiler.interface import accessor, header, sides
from tinyml.compiler.plan import Plan
from tinyml.ir.cwriter import C_TYPES, CWriter
from tinyml.ir.graph import Graph, Node
from tinyml.ir.op import Call, Cost, Packed, Variant
from tinyml.ir.tensor import TensorType

KERNEL_DIRS = (Path(tinyml.ops.__file__).parent, Path(tinyml.ir.__file__).parent)
_INCLUDE = re.compile(r'^#include "([^"]+)"', re.MULTILINE)
LAYER_CODE_BYTES = 40  # a layer's own function: a few loads of literals and one call


@dataclass(frozen=True)
class Layer:
    """A node as it is emitted."""

    node: Node
    variant: Variant
    cost: Cost
    reads: tuple[str, ...]
    symbol: str
    kernel: str
    packed: tuple[Packed, ...]
    index: int

    @classmethod
    def of(cls, graph: Graph, node: Node, variant: Variant, index: int, prefix: str) -> Layer:
        kinds = graph.input_types(node)
        packed = node.op.pack(variant, kinds, *graph.constants(node))
        return cls(node, variant, node.op.cost(variant, *kinds), graph.activations(node),
                   f"{prefix}_layer_{index:02d}_{node.name}", f"{prefix}_k_{variant.name}", packed, index)  # fmt: skip

    @property
    def weight_bytes(self) -> int:
        return sum(p.data.nbytes for p in self.packed)


def emit_files(
    graph: Graph, layers: Sequence[Layer], plan: Plan, buffers: Mapping[str, str], prefix: str
) -> dict[str, str]:
    """`PREFIX.h`, `PREFIX.c` and the kernel headers that it includes, as text by file name."""
    kernels = dict.fromkeys(layer.variant.kernel_file for layer in layers)
    files = {f"{prefix}.h": header(graph, plan, prefix), f"{prefix}.c": ""}
    waiting = [*kernels, "attributes.h"]
    while waiting:
        name = waiting.pop(0)
        if name not in files:
            files[name] = _kernel_text(name)
            waiting += _INCLUDE.findall(files[name])
    files[f"{prefix}.c"] = _source(graph, layers, plan, buffers, prefix, [*kernels])
    return files


def _kernel_text(name: str) -> str:
    return next(d / name for d in KERNEL_DIRS if (d / name).exists()).read_text()


def _source(
    graph: Graph, layers: Sequence[Layer], plan: Plan, buffers: Mapping[str, str], prefix: str, kernels: Sequence[str]
) -> str:
    w = CWriter()
    w.line(f"/* Network `{graph.name}`: generated, do not edit. */")
    for name in (f"{prefix}.h", "attributes.h", *kernels):
        w.line(f'#include "{name}"')
    defined: set[str] = set()
    for layer in layers:
        if layer.kernel not in defined:
            defined.add(layer.kernel)
            users = " ".join(f"{other.index:02d}" for other in layers if other.kernel == layer.kernel)
            w.line()
            w.line(f"/* kernel of layers {users} */")
            layer.node.op.kernel_c(layer.variant, w, layer.kernel)
    for layer in layers:
        _emit_layer(graph, layer, plan, buffers, prefix, w)
    for side, value in sides(graph):
        qualifier = "" if side.startswith("input") else "const "
        w.line()
        with w.block(accessor(prefix, side)):
            w.line(f"return ({qualifier}int8_t *)arena + {plan[buffers[value]].offset};")
    w.line()
    with w.block(f"void {prefix}_invoke(void *arena)"):
        for layer in layers:
            w.line(f"{layer.symbol}((uint8_t *)arena);")
    return w.text()


def _emit_layer(graph: Graph, layer: Layer, plan: Plan, buffers: Mapping[str, str], prefix: str, w: CWriter) -> None:
    node = layer.node
    symbols = [f"{prefix}_w_{layer.index:02d}_{p.suffix}" for p in layer.packed]
    w.line()
    w.line(f"/* {_describe(graph, layer, plan, buffers)} */")
    for symbol, packed in zip(symbols, layer.packed, strict=True):
        w.array(symbol, packed.data)
    scratch = plan.scratch(node.name)
    call = Call(
        layer.symbol, layer.kernel, graph.input_types(node), tuple(graph.types[v] for v in node.outputs),
        tuple(_pointer(graph.types[v], plan[buffers[v]].offset, "const ") for v in layer.reads),
        tuple(_pointer(graph.types[v], plan[buffers[v]].offset) for v in node.outputs),
        "(void *)0" if scratch is None else f"(void *)(arena + {scratch.offset})", tuple(symbols),
    )  # fmt: skip
    with w.block(f"static TM_SEPARATE void {layer.symbol}(uint8_t *arena)"):
        node.op.emit_c(layer.variant, w, call)


def _pointer(kind: TensorType, offset: int, qualifier: str = "") -> str:
    return f"({qualifier}{C_TYPES[kind.dtype]} *)(arena + {offset})"


def _dims(kind: TensorType) -> str:
    return "x".join(map(str, kind.shape[1:]))


def _describe(graph: Graph, layer: Layer, plan: Plan, buffers: Mapping[str, str]) -> str:
    """`07 conv2d 24x24x16 -> 12x12x32 s2, 663,552 MACs, arena [0, 9216) -> [9216, 13824)`."""
    node = layer.node
    source, target = (plan[buffers[v]] for v in (layer.reads[0], node.outputs[0]))
    stride = getattr(node.op, "stride", (1, 1))
    steps = "" if stride == (1, 1) else f" s{stride[0]}" if stride[0] == stride[1] else f" s{stride[0]}x{stride[1]}"
    macs = f", {layer.cost.macs:,} MACs" if layer.cost.macs else ""
    shapes = f"{_dims(graph.type(layer.reads[0]))} -> {_dims(graph.types[node.outputs[0]])}"
    places = " -> ".join(f"[{p.offset}, {p.offset + p.size})" for p in (source, target))
    return f"{layer.index:02d} {node.op.ir_name} {shapes}{steps}{macs}, arena {places}"
