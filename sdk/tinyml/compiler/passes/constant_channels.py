"""Remove channels that are constant or that nobody reads, exactly: what they add to a sum moves into its bias."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from tinyml.compiler.passes.channel_demand import MIXERS, constant_sums, kept_channels
from tinyml.compiler.passes.channel_links import links, without
from tinyml.compiler.passes.dead_nodes import dead_nodes
from tinyml.compiler.passes.intervals import Interval, has_data, intervals
from tinyml.compiler.passes.naming import unused_name
from tinyml.ir.graph import Graph, Node
from tinyml.ir.tensor import Const, QuantParams, TensorType


def constant_channels(graph: Graph) -> Graph:
    """`graph` without channels that hold the same numbers for every input, and without channels that no output
    depends on. A constant channel stays where its neighbours cannot do without it: as a graph output, in a residual
    add whose other operand varies, and as a plane that a padded convolution sees end at the border.

    Values that lose channels get a new name (`NAME_30of128`). Needs constant data: weightless graphs are returned as
    they are.
    """
    if not has_data(graph):
        return graph
    while True:
        known = intervals(graph)
        kept = kept_channels(graph, known)
        if all(mask.all() for mask in kept.values()):
            return graph
        graph = dead_nodes(_Narrower(graph, known, kept).run())


@dataclass
class _Narrower:
    """Rebuilds a graph node by node with the channels in `kept`."""

    graph: Graph
    known: Mapping[str, Interval]
    kept: Mapping[str, np.ndarray]
    types: dict[str, TensorType] = field(default_factory=dict)
    consts: dict[str, Const] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)

    def run(self) -> Graph:
        self.consts.update(self.graph.consts)
        readers = Counter(v for node in self.graph.nodes for v in node.inputs if v in self.graph.consts)
        for value in self.graph.inputs:
            self.types[value], self.names[value] = self.graph.types[value], value
        nodes = tuple(self._node(node, readers) for node in self.graph.nodes)
        return replace(self.graph, nodes=nodes, types=self.types, consts=self.consts)

    def _node(self, node: Node, readers: Counter[str]) -> Node:
        replaced = self._mixer_consts(node) if isinstance(node.op, MIXERS) else self._channel_consts(node)
        inputs = []
        for value in node.inputs:
            if value not in self.graph.consts:
                inputs.append(self.names[value])
                continue
            changed = replaced[value] != self.graph.consts[value]
            inputs.append(self._unused(f"{value}_{node.name}") if changed and readers[value] > 1 else value)
            self.consts[inputs[-1]] = replaced[value]
        kinds = tuple(self.consts[v].type if v in self.consts else self.types[v] for v in inputs)
        op = without(node.op, tuple(map(self._mask, node.inputs)), tuple(map(self._mask, node.outputs)))
        for value, kind in zip(node.outputs, op.infer(*kinds), strict=True):
            mask = self.kept[value]
            whole = bool(mask.all())
            self.names[value] = value if whole else self._unused(f"{value}_{mask.sum()}of{mask.size}")
            self.types[self.names[value]] = kind
        return replace(node, op=op, inputs=tuple(inputs), outputs=tuple(self.names[v] for v in node.outputs))

    def _unused(self, name: str) -> str:
        return unused_name(name, self.graph.types, self.types, self.consts)

    def _mixer_consts(self, node: Node) -> dict[str, Const]:
        """Weights of the kept inputs and outputs; the bias takes in what the removed inputs add."""
        source, weights_name, bias_name = node.inputs
        outputs, inputs = self.kept[node.outputs[0]], self._mask(source)
        weights, bias = self.graph.consts[weights_name], self.graph.consts[bias_name]
        data = weights.data[outputs]
        added = np.int64(0)
        if not inputs.all():
            planes = self.known[source].low[..., ~inputs]
            added = constant_sums(node.op, self.graph.input_types(node), planes, data[..., ~inputs])[0]
        quant = _kept_scales(weights.type.quant, 0, outputs)
        folded = Const.of((bias.data[outputs] + added).astype(np.int32), _kept_scales(bias.type.quant, 0, outputs))
        return {weights_name: Const.of(data[..., inputs], quant), bias_name: folded}

    def _mask(self, value: str) -> np.ndarray:
        return self.kept[value] if value in self.kept else np.ones(self.graph.type(value).shape[-1:], bool)

    def _channel_consts(self, node: Node) -> dict[str, Const]:
        """Constants that are linked to the outputs, channel by channel, lose what the output loses."""
        kinds, outs = self.graph.input_types(node), tuple(self.graph.types[v] for v in node.outputs)
        found = {v: self.graph.consts[v] for v in node.inputs if v in self.graph.consts}
        for link in links(node.op, kinds, outs) or ():
            value, mask = node.inputs[link.operand], self.kept[node.outputs[link.result]]
            if value in found:
                found[value] = _kept_entries(self.graph.consts[value], mask[link.target])
        return found


def _kept_entries(const: Const, mask: np.ndarray) -> Const:
    if mask.all():
        return const
    return Const.of(const.data[..., mask], _kept_scales(const.type.quant, len(const.type.shape) - 1, mask))


def _kept_scales(quant: QuantParams | None, axis: int, mask: np.ndarray) -> QuantParams | None:
    if quant is None or quant.axis != axis or len(quant.scales) != mask.size:
        return quant
    return replace(quant, scales=tuple(s for s, keep in zip(quant.scales, mask, strict=True) if keep))
