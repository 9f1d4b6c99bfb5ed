"""Which networks can run frame by frame, and what they must remember between frames.

A network over [1, T, W, C] whose layers are valid (no padding) and of stride 1 along T computes, for each new frame,
one new row of each tensor from the last few rows of the tensor before it; all other rows were computed when earlier
frames came. Layers that see all rows that are left (a last convolution, a mean, a flattening) give the output of
the window that ends with the newest frame.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import singledispatch

from tinyml import ops
from tinyml.ir.graph import Graph, Node
from tinyml.ir.op import GraphError, Op
from tinyml.ir.tensor import TensorType
from tinyml.ops.elementwise import Elementwise

Types = tuple[TensorType, ...]


@dataclass(frozen=True)
class StreamedNode:
    """A node as it runs once per frame, as operator `op`: it reads the newest `rows` rows of each of its computed
    inputs (`in_types`, one per activation) and gives one new row, or the whole output (`out_type`)."""

    node: str
    op: Op
    rows: int
    in_types: Types
    out_type: TensorType


@dataclass(frozen=True)
class History:
    """A value of which the newest `rows` rows (at least 2) of `row_bytes` each must exist while a frame is pushed: the
    newest is computed or pushed, `rows - 1` are remembered."""

    value: str
    rows: int
    row_bytes: int

    @property
    def size_bytes(self) -> int:
        return self.rows * self.row_bytes


@dataclass(frozen=True)
class Streaming:
    """How a graph runs per frame. `boundary` is the first node without rows of time in its output: it and all later
    nodes need to run only where an output is wanted. The first output is valid after `window_frames` pushes."""

    frame_type: TensorType
    window_frames: int
    nodes: tuple[StreamedNode, ...]
    histories: tuple[History, ...]
    boundary: str

    @property
    def state_bytes(self) -> int:
        return sum(history.size_bytes for history in self.histories)


@dataclass(frozen=True)
class Windows:
    """What follows one another in the pushes of a streamed network: inputs of `frames` frames.

    Where they `overlap` every push after the first `frames` - 1 gives the output of the newest `frames` frames;
    elsewhere every `frames` pushes are one input, and the last of them gives its output. `why_apart` says what forbids
    overlap.
    """

    frames: int
    frame_bytes: int
    overlap: bool
    why_apart: str | None = None

    @classmethod
    def of(cls, window: TensorType, why_apart: str | None = None) -> Windows:
        """Of a network whose input is `window`, [1, frames, ...]."""
        return cls(window.shape[1], window.size_bytes // window.shape[1], why_apart is None, why_apart)

    @property
    def frames_between(self) -> int:
        """Pushes from one output to the next."""
        return 1 if self.overlap else self.frames


class StreamingError(GraphError):
    """A graph whose windows cannot overlap: `reason` names the layer, and what it does."""

    def __init__(self, graph: Graph, reason: str, *, hint: str | None = None) -> None:
        super().__init__(f"graph `{graph.name}` cannot be streamed: {reason}", hint=hint)
        self.reason = reason


@singledispatch
def rows_read(op: Op, types: Types, out: TensorType) -> int:
    """How many of the newest rows of the inputs `op` reads for one new row of `out`. Raises: GraphError with the
    reason why rows of `out` cannot be computed one by one."""
    raise GraphError(f"`{op.ir_name}` does not compute its rows of time one by one")


@rows_read.register(ops.AveragePool2d)
@rows_read.register(ops.Conv2d)
@rows_read.register(ops.DepthwiseConv2d)
@rows_read.register(ops.MaxPool2d)
def _window(
    op: ops.AveragePool2d | ops.Conv2d | ops.DepthwiseConv2d | ops.MaxPool2d, types: Types, out: TensorType
) -> int:
    window = op.window(*types[:2])
    if any(op.padding[:2]):
        raise GraphError(f"it pads time by {op.padding[0]} rows before and {op.padding[1]} after")
    span = (window.kernel_h - 1) * window.dilation_h + 1
    if window.out_h == 1 and span < window.in_h:
        raise GraphError(f"its one window of {span} rows leaves out the newest of {window.in_h}")
    if window.out_h > 1 and window.stride_h != 1:
        raise GraphError(f"its stride in time is {window.stride_h}")
    return span


@rows_read.register(Elementwise)
@rows_read.register(ops.Lookup)
@rows_read.register(ops.Softmax)
def _row_by_row(op: Elementwise | ops.Lookup | ops.Softmax, types: Types, out: TensorType) -> int:
    return 1


@rows_read.register(ops.Concat)
def _concat(op: ops.Concat, types: Types, out: TensorType) -> int:
    if op.axis == 1:
        raise GraphError("it joins rows of time")
    return 1


@rows_read.register(ops.Transpose)
def _transpose(op: ops.Transpose, types: Types, out: TensorType) -> int:
    if op.axes[1] != 1:
        raise GraphError("it moves the axis of time")
    return 1


@rows_read.register(ops.Pad)
def _pad(op: ops.Pad, types: Types, out: TensorType) -> int:
    if op.padding[1] != (0, 0):
        raise GraphError(f"it pads time by {op.padding[1][0]} rows before and {op.padding[1][1]} after")
    return 1


@rows_read.register(ops.Slice)
def _slice(op: ops.Slice, types: Types, out: TensorType) -> int:
    """What is cut off at the end makes the rest late by as many rows."""
    if op.strides[1] != 1:
        raise GraphError(f"its stride in time is {op.strides[1]}")
    return types[0].shape[1] - op.begin[1] - op.shape[1] + 1


@rows_read.register(ops.Mean)
def _mean(op: ops.Mean, types: Types, out: TensorType) -> int:
    return types[0].shape[1] if 1 in op.axes else 1


@rows_read.register(ops.Reshape)
def _reshape(op: ops.Reshape, types: Types, out: TensorType) -> int:
    """Rows that stay rows, or all of them as one vector."""
    return 1 if len(out.shape) > 2 and out.shape[1] == types[0].shape[1] else types[0].shape[1]


@singledispatch
def for_one_row(op: Op, out: TensorType) -> Op:
    """`op` as it computes one row, of type `out`, from the rows that `rows_read` names."""
    return op


@for_one_row.register(ops.Reshape)
def _one_row(op: ops.Reshape, out: TensorType) -> ops.Reshape:
    return ops.Reshape(out.shape)


@for_one_row.register(ops.Slice)
def _oldest_row(op: ops.Slice, out: TensorType) -> ops.Slice:
    return replace(op, begin=(0, 0, *op.begin[2:]), shape=out.shape)


def streamable(graph: Graph) -> Streaming:
    """How `graph` runs frame by frame; reads no constant data.

    Raises: StreamingError naming the first layer that forbids it, and why.
    """
    kind = graph.types[graph.inputs[0]]
    if len(graph.inputs) != 1 or len(graph.outputs) != 1 or len(kind.shape) != 4 or kind.shape[1] < 2:
        raise StreamingError(graph, "it needs one input [1, frames, width, channels] and one output")
    timed = {graph.inputs[0]}  # values with rows of time
    streamed = [_streamed(graph, node, timed) for node in graph.nodes]
    for value in graph.outputs:
        if value in timed:
            rows = graph.types[value].shape[1]
            raise StreamingError(graph, f"output `{value}` keeps {rows} rows of time")
    boundary = next(n.name for n in graph.nodes if timed.isdisjoint(n.outputs))
    return Streaming(_rows_of(kind, 1), kind.shape[1], tuple(streamed), _histories(graph, streamed, timed), boundary)


def _streamed(graph: Graph, node: Node, timed: set[str]) -> StreamedNode:
    """`node` per frame; adds its output to `timed` when that has rows of time."""
    reads, out = graph.activations(node), graph.types[node.outputs[0]]
    if timed.isdisjoint(reads):
        return StreamedNode(node.name, node.op, 1, tuple(graph.types[v] for v in reads), out)
    try:
        if len(node.outputs) > 1 or not timed.issuperset(reads):
            raise GraphError("it joins or divides rows of time")
        rows = rows_read(node.op, graph.input_types(node), out)
        if any(graph.types[v].shape[1] != graph.types[reads[0]].shape[1] for v in reads):
            raise GraphError("its inputs have different numbers of rows")
        _check_constants(graph, node, out)
    except GraphError as error:
        raise StreamingError(
            graph, f"layer `{node.name}`: {error.message}",
            hint="streaming needs valid padding and stride 1 along the input's first axis",
        ) from error  # fmt: skip
    if rows < graph.types[reads[0]].shape[1]:
        if out.shape[1] > 1:
            timed.update(node.outputs)
        out = _rows_of(out, 1)
    op = for_one_row(node.op, out)
    return StreamedNode(node.name, op, rows, tuple(_rows_of(graph.types[v], rows) for v in reads), out)


def _check_constants(graph: Graph, node: Node, out: TensorType) -> None:
    """An elementwise operand that changes along time would have to change from frame to frame."""
    if isinstance(node.op, Elementwise):
        for const in graph.constants(node):
            axes = len(out.shape) - 1  # from time to the last axis
            if len(const.type.shape) >= axes and const.type.shape[-axes] > 1:
                raise GraphError("its constant operand changes along time")


def _rows_of(kind: TensorType, rows: int) -> TensorType:
    return replace(kind, shape=(kind.shape[0], rows, *kind.shape[2:]))


def _histories(graph: Graph, streamed: list[StreamedNode], timed: set[str]) -> tuple[History, ...]:
    most: dict[str, int] = {}
    for node, step in zip(graph.nodes, streamed, strict=True):
        for value in graph.activations(node):
            if value in timed:
                most[value] = max(step.rows, most.get(value, 1))
    return tuple(History(value, rows, graph.types[value].size_bytes // graph.types[value].shape[1])
                 for value, rows in most.items() if rows > 1)  # fmt: skip
