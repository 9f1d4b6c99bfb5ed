"""`Graph`: a list of nodes in execution order over named, typed values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from tinyml.ir.op import Op
from tinyml.ir.tensor import Const, TensorType


@dataclass(frozen=True)
class Node:
    """One operator application. `inputs` and `outputs` are value names; constants are values too."""

    name: str
    op: Op
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class Graph:
    """An int8 network: nodes in execution order, the types of all values, the data of the constant ones."""

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    nodes: tuple[Node, ...]
    types: Mapping[str, TensorType] = field(hash=False)
    consts: Mapping[str, Const] = field(hash=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "types", MappingProxyType(dict(self.types)))
        object.__setattr__(self, "consts", MappingProxyType(dict(self.consts)))

    def type(self, value: str) -> TensorType:
        """The type of a value, constant or computed."""
        return self.consts[value].type if value in self.consts else self.types[value]

    def input_types(self, node: Node) -> tuple[TensorType, ...]:
        return tuple(self.type(v) for v in node.inputs)

    def activations(self, node: Node) -> tuple[str, ...]:
        """The inputs of a node that are computed at run time."""
        return tuple(v for v in node.inputs if v not in self.consts)

    def constants(self, node: Node) -> tuple[Const, ...]:
        """The inputs of a node that are constant, in order."""
        return tuple(self.consts[v] for v in node.inputs if v in self.consts)


@dataclass
class GraphBuilder:
    """Builds a graph node by node; types are inferred as nodes are added."""

    name: str
    inputs: list[str] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)
    types: dict[str, TensorType] = field(default_factory=dict)
    consts: dict[str, Const] = field(default_factory=dict)

    def input(self, name: str, type: TensorType) -> str:
        self.inputs.append(name)
        self.types[name] = type
        return name

    def const(self, name: str, const: Const) -> str:
        self.consts[name] = const
        return name

    def add(self, name: str, op: Op, *inputs: str) -> str:
        """Append `op` as node `name` with one output, also called `name`; returns that value's name."""
        known = [self.consts[v].type if v in self.consts else self.types[v] for v in inputs]
        (self.types[name],) = op.infer(*known)
        self.nodes.append(Node(name, op, tuple(inputs), (name,)))
        return name

    def build(self, *outputs: str) -> Graph:
        return Graph(self.name, tuple(self.inputs), outputs, tuple(self.nodes), self.types, self.consts)
