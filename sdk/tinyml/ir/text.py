"""The text form of a graph: one line per value, readable and parsed back exactly.

    tir 1
    graph kws(x) -> (scores)
    input x: int8[1,49,40,1] q((0.5,), -3)
    const w: int8[8,3,3,1] q((0.1, ...), 0, 0) sha256:0123...
    c1 = conv2d(x, w, b, stride=(2, 2), padding=(0, 1, 0, 1), out=q((0.2,), -128), ...)  # int8[1,24,20,8]

Scales are written with `repr`, which Python reads back to the same float.
"""

from __future__ import annotations

import ast
import re
from dataclasses import fields

from tinyml.ir.graph import Graph, Node
from tinyml.ir.op import GraphError, operators
from tinyml.ir.tensor import Const, QuantParams, TensorType

FORMAT_VERSION = 1
_TYPE = re.compile(
    r"(?P<name>\w+): (?P<dtype>\w+)\[(?P<shape>[\d,]*)\](?: (?P<quant>q\(.*\)))?(?: sha256:(?P<sha>\w+))?\Z"
)
_GRAPH = re.compile(r"graph (\w+)\((.*)\) -> \((.*)\)\Z")


def to_text(graph: Graph) -> str:
    """The text form: complete except for the data of constants, of which it holds the hashes."""
    lines = [f"tir {FORMAT_VERSION}", f"graph {graph.name}({', '.join(graph.inputs)}) -> ({', '.join(graph.outputs)})"]
    lines += [f"input {name}: {_type_text(graph.types[name])}" for name in graph.inputs]
    lines += [f"const {name}: {_type_text(c.type)} sha256:{c.sha256}" for name, c in graph.consts.items()]
    lines += [_node_text(graph, node) for node in graph.nodes]
    return "\n".join(lines) + "\n"


def from_text(text: str) -> Graph:
    """The graph of a text form, without constant data.

    Raises: GraphError naming the line that cannot be read.
    """
    lines = text.splitlines()
    if not lines or lines[0] != f"tir {FORMAT_VERSION}":
        raise GraphError(f"this is not a graph in format `tir {FORMAT_VERSION}`", hint="compile the model again")
    types: dict[str, TensorType] = {}
    consts: dict[str, Const] = {}
    nodes: list[Node] = []
    head = _GRAPH.match(lines[1]) if len(lines) > 1 else None
    if head is None:
        raise GraphError("the graph's second line does not name its inputs and outputs")
    for number, line in enumerate(lines[2:], 3):
        try:
            kind, _, rest = line.partition(" ")
            if kind == "input":
                name, types[name], _ = _parse_type(rest)  # fmt: skip
            elif kind == "const":
                name, const_type, sha = _parse_type(rest)
                consts[name] = Const(const_type, sha)
            else:
                node = _parse_node(line)
                nodes.append(node)
                known = [consts[v].type if v in consts else types[v] for v in node.inputs]
                types.update(zip(node.outputs, node.op.infer(*known), strict=True))
        except GraphError:
            raise
        except (ValueError, TypeError, KeyError, AttributeError, SyntaxError) as error:
            message = f"line {number} of the graph cannot be read: {line[:80]}"
            raise GraphError(message, details=(str(error),)) from error
    names, outputs = (tuple(v for v in part.split(", ") if v) for part in head.group(2, 3))
    return Graph(head.group(1), names, outputs, tuple(nodes), types, consts)


def _quant_text(quant: QuantParams) -> str:
    axis = "" if quant.axis is None else f", {quant.axis}"
    return f"q(({', '.join(map(repr, quant.scales))},), {quant.zero_point}{axis})"


def _type_text(kind: TensorType) -> str:
    quant = "" if kind.quant is None else " " + _quant_text(kind.quant)
    return f"{kind.dtype}[{','.join(map(str, kind.shape))}]{quant}"


def _node_text(graph: Graph, node: Node) -> str:
    attributes = []
    for item in fields(node.op):
        value = getattr(node.op, item.name)
        attributes.append(f"{item.name}={_quant_text(value) if isinstance(value, QuantParams) else repr(value)}")
    kinds = ", ".join(_type_text(graph.types[v]) for v in node.outputs)
    call = f"{node.op.ir_name}({', '.join([*node.inputs, *attributes])})"
    label = "" if node.outputs == (node.name,) else f"{node.name}: "
    return f"{label}{', '.join(node.outputs)} = {call}  # {kinds}"


def _parse_type(text: str) -> tuple[str, TensorType, str]:
    match = _TYPE.match(text)
    if match is None:
        raise ValueError("not a type")
    shape = tuple(int(n) for n in match["shape"].split(",") if n)
    quant = _parse_value(ast.parse(match["quant"], mode="eval").body) if match["quant"] else None
    return match["name"], TensorType(shape, match["dtype"], quant), match["sha"] or ""


def _parse_value(tree: ast.expr) -> object:
    if isinstance(tree, ast.Call):
        return QuantParams(*(ast.literal_eval(a) for a in tree.args))
    return ast.literal_eval(tree)


def _parse_node(line: str) -> Node:
    target, _, call_text = line.partition(" = ")
    label, colon, names = target.partition(": ")
    outputs = tuple((names if colon else target).split(", "))
    call = ast.parse(call_text, mode="eval").body
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
        raise ValueError("not an operator call")
    kind = operators().get(call.func.id)
    if kind is None:
        raise GraphError(f"this version has no operator `{call.func.id}`")
    inputs = tuple(a.id for a in call.args if isinstance(a, ast.Name))
    op = kind(**{k.arg: _parse_value(k.value) for k in call.keywords})
    return Node(label if colon else outputs[0], op, inputs, outputs)
