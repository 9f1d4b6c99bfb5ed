"""The network that runs once per frame: what `--stream` compiles.

Every value of which more than the newest row is read gets a history, a tensor that outlives the run: it is an input and
(with the new row shifted in) an output of the frame's graph. See `streaming_analysis` for what can be streamed.
"""

from __future__ import annotations

from dataclasses import dataclass

from tinyml.compiler.streaming_analysis import streamable
from tinyml.ir.graph import Graph, Node
from tinyml.ir.tensor import TensorType
from tinyml.ops.shift_in import CountUp, ShiftIn
from tinyml.ops.slice import Slice

COUNT = "frames_seen"


@dataclass(frozen=True)
class FrameGraph:
    """`graph` reads `frame` and the states and gives `output` and the new states.

    The output is that of `window` (the type of the whole network's input) once `window_frames` frames have come.
    """

    graph: Graph
    frame: str
    output: str
    window: TensorType
    window_frames: int

    @property
    def state_bytes(self) -> int:
        """Bytes that must survive from frame to frame."""
        return sum(self.graph.types[v].size_bytes for v in self.graph.inputs if v != self.frame)


def frame_graph(graph: Graph) -> FrameGraph:
    """The per-frame form of `graph`. Raises: StreamingError naming the layer that forbids it, and why."""
    streaming = streamable(graph)
    frame, output = graph.inputs[0], graph.outputs[0]
    types, nodes, histories = {frame: streaming.frame_type}, [], {}
    rows = {h.value: h.rows for h in streaming.histories}
    inputs, outputs = [frame], [output]

    def remember(value: str) -> None:
        if value in rows:
            kind, state, history = types[value], f"{value}_state", f"{value}_history"
            types[state] = types[history] = TensorType((1, rows[value], *kind.shape[2:]), kind.dtype, kind.quant)
            nodes.append(Node(history, ShiftIn(), (state, value), (history,)))
            inputs.append(state)
            outputs.append(history)
            histories[value] = history

    def newest(value: str, count: int) -> str:
        """The value that holds the newest `count` rows: the row itself, its history, or the end of that."""
        if value not in histories or count == 1:
            return value
        if count == rows[value]:
            return histories[value]
        name, kind = f"{value}_newest_{count}", types[histories[value]]
        if name not in types:
            shape = (1, count, *kind.shape[2:])
            part = Slice((0, rows[value] - count, *(0 for _ in shape[2:])), shape, (1,) * len(shape))
            nodes.append(Node(name, part, (histories[value],), (name,)))
            (types[name],) = part.infer(kind)
        return name

    remember(frame)
    for node, streamed in zip(graph.nodes, streaming.nodes, strict=True):
        reads = tuple(newest(v, streamed.rows) for v in node.inputs)
        nodes.append(Node(node.name, streamed.op, reads, node.outputs))
        (types[node.outputs[0]],) = streamed.op.infer(*(graph.consts[v].type if v in graph.consts else types[v]
                                                        for v in reads))  # fmt: skip
        remember(node.outputs[0])
    types[COUNT] = types[f"{COUNT}_next"] = TensorType((1,), "int32")
    nodes.append(Node(f"{COUNT}_next", CountUp(streaming.window_frames), (COUNT,), (f"{COUNT}_next",)))
    result = Graph(graph.name, (*inputs, COUNT), (*outputs, f"{COUNT}_next"), tuple(nodes), types, graph.consts)
    return FrameGraph(result, frame, output, graph.types[frame], streaming.window_frames)
