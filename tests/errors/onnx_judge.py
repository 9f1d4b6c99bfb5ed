"""What becomes of a damaged ONNX file: refused, or imported and then close to onnxruntime where that takes it too."""

from __future__ import annotations

import random
import traceback
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from tests.errors.worker import Died, TimedOut, Worker
from tests.unit.onnx_oracle import FloatNetwork, quantized

LIMIT_S = 2.0
_STEPS = 3  # layers agree within one step each: after a few of them, within three
_NUMBERS = (-(2**63), -(2**31), -1, 0, 1, 2, 3, 7, 255, 2**15, 2**31 - 1, 2**31, 2**40, 2**63 - 1)
_FLOATS = (float("nan"), float("inf"), -1.0, 0.0, 1e-45, 1e38, 0.5)
CHANGES = (
    "dims", "element type", "attribute", "attribute type", "input", "drop", "order", "operator", "value", "shape",
    "cycle", "initializer", "opset", "output",
)  # fmt: skip


def import_and_run(model: bytes) -> dict[str, Any]:
    """In a worker: {"error"}, {"defect"}, or float inputs and outputs in ONNX's order and the outputs' steps."""
    from tinyml.errors import ProjectError
    from tinyml.importers.onnx import convert_onnx
    from tinyml.ir.interpret import interpret

    try:
        converted = convert_onnx(model)
        graph, draw = converted.graph, np.random.default_rng(3)
        placed = [next(t for t in converted.tensors.values() if t.value == v) for v in graph.inputs]
        quants = [graph.types[v].quant for v in (*graph.inputs, *graph.outputs)]
        runs = []
        for _ in range(2):
            x = [draw.integers(-128, 128, graph.types[v].shape).astype(np.int8) for v in graph.inputs]
            values = [*x, *interpret(graph, *x)]
            runs.append([(v.astype(np.float64) - q.zero_point) * q.scale for v, q in zip(values, quants, strict=True)])
    except ProjectError as error:
        return {"error": error.message}
    except Exception:  # whatever else is raised is a defect, and reported as such
        return {"defect": traceback.format_exc()}
    count = len(placed)
    inputs = [[t.layout.from_memory(v).astype(np.float32) for t, v in zip(placed, run, strict=False)] for run in runs]
    outputs = [[np.moveaxis(v, -1, 1) if v.ndim > 2 else v for v in run[count:]] for run in runs]
    return {"inputs": inputs, "outputs": outputs, "steps": [q.scale for q in quants[count:]]}


def small_model(folder: Path) -> bytes:
    """A convolution and what often follows it, quantised in `folder`."""
    n = FloatNetwork({"x": (1, 3, 6, 5)})
    x = n.add("Relu", [n.conv("x", "c", (3, 4), (3, 3), pads=[1, 1, 1, 1], strides=[2, 1])], "r")
    x = n.add("MaxPool", [x], "p", kernel_shape=[2, 2])
    x = n.add("Concat", [x, n.add("HardSwish", [x], "h")], "k", axis=1)
    x = n.add("Flatten", [x], "f")
    y = n.add("Gemm", [x, n.normal("w", 64, 3, scale=0.2), n.normal("b", 3)], "y")
    return quantized(n, n.model(y), folder)


def data_spans(model: bytes) -> tuple[tuple[int, int], ...]:
    """Where the larger constants lie in the file."""
    raw = [t.raw_data for t in onnx.load_model_from_string(model).graph.initializer if len(t.raw_data) > 16]
    return tuple((model.index(data), model.index(data) + len(data)) for data in raw)


def run_onnxruntime(question: tuple[bytes, list[list[np.ndarray]]]) -> list[list[np.ndarray]] | str:
    """In a worker: the outputs for each run's inputs, or why onnxruntime refuses."""
    import onnxruntime

    model, runs = question
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level, options.intra_op_num_threads = 4, 1
    try:
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        names = [value.name for value in session.get_inputs()]
        return [session.run(None, dict(zip(names, run, strict=True))) for run in runs]
    except Exception as error:  # of many classes, all of which are refusals
        return str(error)


class Judge:
    """Holds the two workers. A crash of onnxruntime's counts as its refusal; a crash of ours is a failure."""

    def __init__(self, healthy: bytes) -> None:
        self._ours = Worker(import_and_run, healthy)
        self._theirs = Worker(run_onnxruntime, (healthy, import_and_run(healthy)["inputs"]))

    def close(self) -> None:
        self._ours.close()
        self._theirs.close()

    def verdict(self, model: bytes) -> str:
        """ "refused", "close", "onnxruntime refuses", or a failure's description (starts with "FAILED")."""
        try:
            ours = self._ours.ask(model, LIMIT_S)
        except Died:
            return "FAILED: the importer crashed"
        except TimedOut:
            return f"FAILED: no answer within {LIMIT_S} s"
        if "defect" in ours:
            return f"FAILED: {ours['defect']}"
        if "error" in ours:
            return "refused" if ours["error"].strip() else "FAILED: an empty message"
        try:
            theirs = self._theirs.ask((model, ours["inputs"]), LIMIT_S)
        except (Died, TimedOut):
            return "onnxruntime refuses"
        if isinstance(theirs, str) or any(v.dtype != np.float32 for run in theirs for v in run):
            return "onnxruntime refuses"
        gap = max(np.abs(a.ravel() - b.ravel()).max() / step
                  for mine, run in zip(ours["outputs"], theirs, strict=True)
                  for a, b, step in zip(mine, run, ours["steps"], strict=True))  # fmt: skip
        return "close" if gap <= _STEPS + 0.01 else f"FAILED: {gap} steps from onnxruntime's output"

    def judge(self, files: Iterable[tuple[str, bytes]]) -> tuple[Counter[str], list[str]]:
        """How many files met which end, and the failures in words."""
        counts, failures = Counter(), []
        for label, model in files:
            verdict = self.verdict(model)
            counts[verdict.split(":")[0]] += 1
            if verdict.startswith("FAILED"):
                failures.append(f"{label}: {verdict}")
        return counts, failures


def rewritten(original: bytes, seed: int) -> tuple[str, bytes]:
    """(kind, file) that is ONNX but says other things: numbers, types, names and the order of nodes changed."""
    draw, kind = random.Random(seed), CHANGES[seed % len(CHANGES)]
    proto = onnx.load_model_from_string(original)
    graph = proto.graph
    node, tensor = draw.choice(graph.node), draw.choice([t for t in graph.initializer if t.dims])
    if kind == "dims":
        tensor.dims[draw.randrange(len(tensor.dims))] = draw.choice(_NUMBERS)
    elif kind == "element type":
        tensor.data_type = draw.randrange(26)
    elif kind.startswith("attribute"):
        attribute = draw.choice([a for n in graph.node for a in n.attribute])
        _change_attribute(draw, attribute, only_type=kind == "attribute type")
    elif kind == "input":
        names = [v for n in graph.node for v in (*n.input, *n.output)]
        node.input[draw.randrange(len(node.input))] = draw.choice((*names, "", "nothing"))
    elif kind == "drop":
        graph.node.remove(node)
    elif kind == "order":
        nodes = sorted(graph.node, key=lambda _: draw.random())
        del graph.node[:]
        graph.node.extend(nodes)
    elif kind == "operator":
        others = ("If", "Nothing", "Transpose", "Softmax", "Split", "Reshape", "Relu", "BatchNormalization")
        node.op_type = draw.choice((*others, draw.choice(graph.node).op_type))
    elif kind == "value":
        _change_value(draw, draw.choice([t for t in graph.initializer if t.data_type == onnx.TensorProto.FLOAT]))
    elif kind == "shape":
        draw.choice(graph.input[0].type.tensor_type.shape.dim).dim_value = draw.choice(_NUMBERS)
    elif kind == "cycle":
        node.input[0] = graph.node[-1].output[0]
    elif kind == "initializer":
        graph.initializer.remove(tensor)
    elif kind == "opset":
        proto.opset_import[0].version = draw.choice(_NUMBERS)
    else:
        graph.output[0].name = draw.choice(graph.node).output[0]
    return kind, proto.SerializeToString()


def _change_attribute(draw: random.Random, attribute: onnx.AttributeProto, *, only_type: bool) -> None:
    if only_type:
        attribute.type = draw.randrange(15)
    elif attribute.ints:
        attribute.ints[draw.randrange(len(attribute.ints))] = draw.choice(_NUMBERS)
    else:
        attribute.i = draw.choice(_NUMBERS)


def _change_value(draw: random.Random, tensor: onnx.TensorProto) -> None:
    values = onnx.numpy_helper.to_array(tensor).copy()
    values.reshape(-1)[draw.randrange(values.size)] = draw.choice(_FLOATS)
    tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
