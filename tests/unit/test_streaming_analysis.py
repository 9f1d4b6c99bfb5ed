"""Frame by frame execution: equal to the whole window, with the rows that the analysis names and no others."""

from __future__ import annotations

from collections import deque

import numpy as np
import pytest

from tinyml.compiler.frame_graph import frame_graph
from tinyml.compiler.streaming_analysis import Streaming, streamable
from tinyml.ir.graph import Graph, GraphBuilder
from tinyml.ir.interpret import interpret
from tinyml.ir.op import GraphError
from tinyml.ir.tensor import Const, QuantParams, TensorType
from tinyml.ir.verify import verify
from tinyml.ops import (
    Add,
    AveragePool2d,
    Concat,
    Conv2d,
    DepthwiseConv2d,
    FullyConnected,
    Lookup,
    MaxPool2d,
    Mean,
    Mul,
    Pad,
    Reshape,
    ResizeNearest,
    Slice,
    Softmax,
    Transpose,
)

OUT = QuantParams((0.4,), -20)


class Net:
    """Layers over [1, frames, width, channels] with random weights."""

    def __init__(self, frames: int = 12, width: int = 2, channels: int = 3) -> None:
        self.random, self.builder = np.random.default_rng(0), GraphBuilder("net")
        self.x = self.builder.input("x", TensorType((1, frames, width, channels), "int8", QuantParams((0.1,), 5)))

    def _consts(self, name: str, shape: tuple[int, ...], axis: int) -> tuple[str, str]:
        weights = Const.of(self.random.integers(-127, 128, shape).astype(np.int8), QuantParams((0.005,), 0))
        bias = Const.of(self.random.integers(-2000, 2000, shape[axis]).astype(np.int32))
        return self.builder.const(f"{name}_w", weights), self.builder.const(f"{name}_b", bias)

    def conv(self, name: str, x: str, kernel=(1, 1), stride=(1, 1), padding=(0, 0, 0, 0), dilation=(1, 1)) -> str:
        consts = self._consts(name, (4, *kernel, self.builder.types[x].shape[-1]), 0)
        return self.builder.add(name, Conv2d(stride, padding, OUT, dilation=dilation), x, *consts)

    def depthwise(self, name: str, x: str, kernel: int) -> str:
        consts = self._consts(name, (1, kernel, 1, self.builder.types[x].shape[-1]), 3)
        return self.builder.add(name, DepthwiseConv2d((1, 1), (0, 0, 0, 0), OUT), x, *consts)

    def connected(self, name: str, x: str) -> str:
        consts = self._consts(name, (3, self.builder.types[x].shape[-1]), 0)
        return self.builder.add(name, FullyConnected(OUT), x, *consts)


def push_all(graph: Graph, streaming: Streaming, frames: np.ndarray) -> list[np.ndarray]:
    """The outputs of pushing frames [N, 1, W, C] one by one, computed with nothing but the histories."""
    rows: dict[str, deque] = {h.value: deque(maxlen=h.rows) for h in streaming.histories}
    outputs = []
    for frame in frames:
        new = {graph.inputs[0]: frame[None]}
        rows.get(graph.inputs[0], deque(maxlen=1)).append(frame[None])
        for node, step in zip(graph.nodes, streaming.nodes, strict=True):
            reads = []
            for value in graph.activations(node):
                have = list(rows[value])[-step.rows :] if step.rows > 1 else [new[value]]
                reads.append(np.concatenate(have, axis=1) if len(have) == step.rows and have[0] is not None else None)
            value, result = node.outputs[0], None
            if all(r is not None for r in reads):
                types = (*step.in_types, *(c.type for c in graph.constants(node)))
                assert all(r.shape == t.shape for r, t in zip(reads, step.in_types, strict=True))
                constants = (c.data for c in graph.constants(node))
                assert step.op.infer(*types) == (step.out_type,)
                (result,) = step.op.reference(*reads, *constants, types=types)
            new[value] = result
            if value in rows:
                rows[value].append(result)
        outputs.append(new[graph.outputs[0]])
    return outputs


def check_equal(graph: Graph) -> Streaming:
    """Every output after the first window equals the whole network on the window that ends there."""
    streaming = streamable(graph)
    window = streaming.window_frames
    kind = graph.types[graph.inputs[0]]
    frames = np.random.default_rng(1).integers(-128, 128, (window + 5, 1, *kind.shape[2:])).astype(np.int8)
    outputs = push_all(graph, streaming, frames)
    for end in range(window, len(frames) + 1):
        whole = frames[end - window : end, 0][None]
        np.testing.assert_array_equal(outputs[end - 1], interpret(graph, whole)[0], err_msg=str(end))
    np.testing.assert_array_equal(run_frame_graph(graph, frames), np.concatenate(outputs[window - 1 :]))
    return streaming


def run_frame_graph(graph: Graph, frames: np.ndarray) -> np.ndarray:
    """The outputs of the per-frame graph from the first whole window on; its states start with anything."""
    per_frame = frame_graph(graph)
    verify(per_frame.graph)
    states = [np.full(per_frame.graph.types[v].shape, 77, per_frame.graph.types[v].dtype)
              for v in per_frame.graph.inputs[1:]]  # fmt: skip
    states[-1][:] = 0  # frames seen
    outputs = []
    for frame in frames:
        output, *states = interpret(per_frame.graph, frame[None], *states)
        if states[-1][0] == per_frame.window_frames:
            outputs.append(output)
    return np.concatenate(outputs)


def test_convolutions_until_one_row_is_left() -> None:
    net = Net()
    y = net.conv("a", net.depthwise("d", net.x, 3))
    y = net.conv("c", net.depthwise("e", y, 4), (7, 2))
    y = net.builder.add("flat", Reshape((1, 4)), y)
    graph = net.builder.build(net.builder.add("scores", Softmax(), net.connected("f", y)))
    streaming = check_equal(graph)
    assert [n.rows for n in streaming.nodes] == [3, 1, 4, 7, 1, 1, 1]
    assert {h.value: (h.rows, h.row_bytes) for h in streaming.histories} == {"x": (3, 6), "a": (4, 8), "e": (7, 8)}
    assert streaming.state_bytes == 18 + 32 + 56
    assert (streaming.boundary, streaming.window_frames, streaming.frame_type.shape) == ("c", 12, (1, 1, 2, 3))


def test_dilation_skips_rows_in_the_history() -> None:
    net = Net()
    y = net.conv("a", net.x, (3, 2), dilation=(4, 1))
    graph = net.builder.build(net.conv("b", y, (4, 1)))
    assert [n.rows for n in check_equal(graph).nodes] == [9, 4]


def test_residual_branches_share_a_history() -> None:
    net = Net()
    a, b = net.conv("a", net.x, (3, 1)), net.conv("b", net.x, (3, 1))
    y = net.builder.add("sum", Add(OUT), a, b)
    y = net.builder.add("pool", AveragePool2d((2, 2), (1, 1)), y)
    y = net.builder.add("mean", Mean(), y)
    streaming = check_equal(net.builder.build(net.connected("f", y)))
    assert [(h.value, h.rows) for h in streaming.histories] == [("x", 3), ("sum", 2), ("pool", 9)]
    assert streaming.boundary == "mean"


def test_rows_of_the_last_tensor_may_be_flattened() -> None:
    net = Net()
    y = net.builder.add("wide", Reshape((1, 10, 1, 8)), net.conv("a", net.x, (3, 1)))
    y = net.builder.add("flat", Reshape((1, 80)), y)
    streaming = check_equal(net.builder.build(net.connected("f", y)))
    assert [n.rows for n in streaming.nodes] == [3, 1, 10, 1]


def test_a_residual_that_is_cut_at_both_ends_is_late() -> None:
    net = Net()
    y = net.conv("a", net.x, (4, 1))
    late = net.builder.add("cut", Slice((0, 2, 0, 0), (1, 9, 2, 3), (1, 1, 1, 1)), net.x)
    y = net.builder.add("sum", Add(OUT), net.conv("b", late), y)
    graph = net.builder.build(net.conv("c", y, (9, 2)))
    assert [n.rows for n in check_equal(graph).nodes] == [4, 2, 1, 1, 9]


def test_readers_of_fewer_rows_get_the_newest_ones() -> None:
    net = Net()
    a = net.conv("a", net.x, (4, 1))
    b = net.conv("b", net.builder.add("cut", Slice((0, 1, 0, 0), (1, 11, 2, 3), (1, 1, 1, 1)), net.x), (3, 1))
    c = net.conv("c", net.builder.add("end", Slice((0, 2, 0, 0), (1, 9, 2, 3), (1, 1, 1, 1)), net.x))
    y = net.builder.add("sum", Add(OUT), net.builder.add("first", Add(OUT), a, b), c)
    streaming = check_equal(net.builder.build(net.conv("d", y, (9, 2))))
    assert [(h.value, h.rows) for h in streaming.histories] == [("x", 4), ("cut", 3), ("sum", 9)]


def test_one_row_cut_out_of_all_has_no_time() -> None:
    net = Net()
    y = net.builder.add("cut", Slice((0, 9, 0, 0), (1, 1, 2, 4), (1, 1, 1, 1)), net.conv("z", net.x, (2, 1)))
    streaming = check_equal(net.builder.build(y))
    assert streaming.boundary == "cut" and [n.rows for n in streaming.nodes] == [2, 2]


def test_what_leaves_time_alone_runs_row_by_row() -> None:
    net = Net(width=4)
    y = net.builder.add("max", MaxPool2d((2, 2), (1, 2)), net.x)
    y = net.builder.add("pad", Pad(((0, 0), (0, 0), (1, 0), (0, 2)), 3), y)
    y = net.builder.add("turn", Transpose((0, 1, 3, 2)), y)
    y = net.builder.add("join", Concat(2), y, y)
    y = net.builder.add("tanh", Lookup("tanh", QuantParams((1 / 128,), 0)), y)
    scale = net.builder.const("k", Const.of(np.array([[[3, 50, -7]]], np.int8), QuantParams((0.1,), 0)))
    y = net.builder.add("scale", Mul(OUT, constant=1), y, scale)
    y = net.builder.add("width", Mean((2,)), y)
    y = net.builder.add("image", Reshape((1, 11, 1, 3)), y)
    streaming = check_equal(net.builder.build(net.conv("last", y, (11, 1))))
    assert [n.rows for n in streaming.nodes] == [2, 1, 1, 1, 1, 1, 1, 1, 11]


def refused(net: Net, output: str) -> str:
    with pytest.raises(GraphError) as found:
        streamable(net.builder.build(output))
    return found.value.message


def test_refusals_name_the_layer_and_the_reason() -> None:
    net = Net()
    assert refused(net, net.conv("a", net.x, (3, 1), padding=(1, 1, 0, 0))).endswith(
        "cannot be streamed: layer `a`: it pads time by 1 rows before and 1 after"
    )
    net = Net()
    assert refused(net, net.conv("b", net.x, (3, 1), stride=(2, 1))).endswith("layer `b`: its stride in time is 2")
    net = Net()
    assert "leaves out the newest of 12" in refused(net, net.conv("c", net.x, (9, 1), stride=(5, 1)))
    net = Net()
    assert "keeps 10 rows of time" in refused(net, net.conv("d", net.x, (3, 1)))
    net = Net(frames=1)
    assert "one input [1, frames, width, channels]" in refused(net, net.conv("e", net.x))


TIMES = Const.of(np.arange(12, dtype=np.int8).reshape(12, 1, 1), QuantParams((0.1,), 0))


@pytest.mark.parametrize(
    ("op", "reason"),
    [
        (Pad(((0, 0), (0, 1), (0, 0), (0, 0))), "pads time by 0 rows before and 1 after"),
        (Concat(1), "joins rows of time"),
        (Transpose((0, 2, 1, 3)), "moves the axis of time"),
        (Slice((0, 0, 0, 0), (1, 6, 2, 3), (1, 2, 1, 1)), "stride in time is 2"),
        (ResizeNearest((6, 2)), "`resize_nearest` does not compute its rows of time one by one"),
        (Mul(OUT, constant=1), "constant operand changes along time"),
    ],
)
def test_refusals_of_operators(op, reason: str) -> None:
    net = Net()
    more = {Concat: [net.x], Mul: [net.builder.const("times", TIMES)]}.get(type(op), [])
    assert reason in refused(net, net.builder.add("y", op, net.x, *more))


def test_stride_and_padding_across_time_do_not_matter() -> None:
    net = Net(width=6)
    y = net.conv("a", net.x, (3, 3), stride=(1, 2), padding=(0, 0, 1, 1))
    check_equal(net.builder.build(net.conv("b", y, (10, 3))))


def test_weightless_graphs_are_analysed_too() -> None:
    net = Net()
    graph = net.builder.build(net.conv("a", net.x, (12, 2)))
    consts = {n: Const(c.type, c.sha256) for n, c in graph.consts.items()}
    assert streamable(Graph("net", graph.inputs, graph.outputs, graph.nodes, graph.types, consts)).boundary == "a"
