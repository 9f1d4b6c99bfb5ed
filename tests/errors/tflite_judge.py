"""What becomes of a damaged TFLite file: refused, or imported and then equal to LiteRT where LiteRT takes it too."""

from __future__ import annotations

import os
import traceback
import warnings
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from tests.errors.mutants import mutant
from tests.errors.worker import Died, TimedOut, Worker
from tests.golden.tflite_models import ModelWriter

LIMIT_S = 2.0


def import_and_run(model: bytes) -> dict[str, Any]:
    """In a worker: {"error"}, {"defect"}, or the inputs and outputs by index of their TFLite tensors."""
    from tinyml.errors import ProjectError
    from tinyml.importers.tflite import import_tflite
    from tinyml.ir.interpret import interpret

    warnings.simplefilter("error")
    try:
        imported = import_tflite(model)
        graph, random = imported.graph, np.random.default_rng(3)
        index = {value: i for i, value in reversed(imported.tensors.items())}
        shapes = [graph.types[v].shape for v in graph.inputs]
        runs = [[random.integers(-128, 128, s).astype(np.int8) for s in shapes] for _ in range(2)]
        outputs = [interpret(graph, *run) for run in runs]
    except ProjectError as error:
        return {"error": error.message}
    except Exception:  # whatever else is raised is a defect, and reported as such
        return {"defect": traceback.format_exc()}
    quants = [(graph.types[v].quant.scale, graph.types[v].quant.zero_point) for v in graph.inputs]
    return {"runs": runs, "outputs": outputs, "quants": quants, "indices": [index[v] for v in graph.outputs]}


def run_litert(question: tuple[bytes, dict[str, Any]]) -> list[list[np.ndarray]] | str:
    """In a worker: the same tensors by LiteRT's reference kernels, or why it refuses."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # it writes its refusals to stderr
    model, ours = question
    try:
        litert = Interpreter(model_content=model, experimental_op_resolver_type=OpResolverType.BUILTIN_REF,
                             experimental_preserve_all_tensors=True)  # fmt: skip
        litert.allocate_tensors()
        outputs = []
        for run in ours["runs"]:
            for detail, data, (scale, zero) in zip(litert.get_input_details(), run, ours["quants"], strict=True):
                if detail["dtype"] != np.int8:
                    data = (data.astype(np.float32) - zero) * np.float32(scale)
                litert.set_tensor(detail["index"], data)
            litert.invoke()
            outputs.append([litert.get_tensor(i).copy() for i in ours["indices"]])
    except (ValueError, RuntimeError) as error:
        return str(error)
    return outputs


@dataclass
class Verdicts:
    """How many mutants met which end, and the failures in words."""

    counts: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)


class Judge:
    """Holds the two workers. A crash of LiteRT's counts as its refusal; a crash of ours is a failure."""

    def __init__(self, healthy: bytes) -> None:
        self._ours = Worker(import_and_run, healthy)
        self._litert = Worker(run_litert, (healthy, import_and_run(healthy)))

    def close(self) -> None:
        self._ours.close()
        self._litert.close()

    def verdict(self, model: bytes) -> str:
        """"refused", "equal", "LiteRT refuses", or a failure's description (starts with "FAILED")."""
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
            litert = self._litert.ask((model, ours), LIMIT_S)
        except (Died, TimedOut):
            return "LiteRT refuses"
        if isinstance(litert, str):
            return "LiteRT refuses"
        pairs = [p for a, b in zip(ours["outputs"], litert, strict=True) for p in zip(a, b, strict=True)]
        return "equal" if all(np.array_equal(a, b) for a, b in pairs) else "FAILED: another output than LiteRT's"

    def judge(self, original: bytes, seeds: range, name: str, spans: tuple[tuple[int, int], ...]) -> Verdicts:
        found = Verdicts()
        for seed in seeds:
            kind, model = mutant(original, seed, spans)
            verdict = self.verdict(model)
            found.counts[verdict.split(":")[0]] += 1
            if verdict.startswith("FAILED"):
                found.failures.append(f"{name}, seed {seed} ({kind}): {verdict}")
        return found


def data_spans(model: bytes) -> tuple[tuple[int, int], ...]:
    """Where the constants lie in the file."""
    from tinyml.importers.flatbuffer import Table
    from tinyml.importers.tflite import schema

    base = np.frombuffer(model, np.uint8).ctypes.data
    buffers = Table.root(model, schema.IDENTIFIER, "TFLite").tables(schema.Model.buffers, "buffer", 10_000)
    arrays = [b.vector(schema.Buffer.data, "uint8") for b in buffers]
    return tuple((a.ctypes.data - base, a.ctypes.data - base + a.size) for a in arrays if a.size)


def small_model() -> bytes:
    """A network of nine operators in some 3 kB: nearly every byte of it is structure."""
    w, random = ModelWriter(), np.random.default_rng(5)

    def weights(*shape: int, axis: int) -> int:
        scales = random.uniform(0.004, 0.02, shape[axis]).astype(np.float32).tolist()
        return w.tensor(shape, "int8", scales, 0, axis, random.integers(-127, 128, shape))

    def bias(channels: int) -> int:
        return w.tensor((channels,), "int32", (0.001,), data=random.integers(-500, 500, channels))

    x = w.tensor((1, 8, 8, 2), "int8", (0.05,), -3)
    a = w.tensor((1, 4, 4, 4), "int8", (0.1,), -128)
    w.operator("CONV_2D", [x, weights(4, 3, 3, 2, axis=0), bias(4)], [a], 3, table="Conv2DOptions", strideH=2,
               strideW=2, fusedActivationFunction=3)  # fmt: skip
    b = w.tensor((1, 4, 4, 4), "int8", (0.1,), 4)
    w.operator("DEPTHWISE_CONV_2D", [a, weights(1, 3, 3, 4, axis=3), bias(4)], [b], 3, strideH=1, strideW=1,
               depthMultiplier=1, table="DepthwiseConv2DOptions")  # fmt: skip
    c = w.tensor((1, 4, 4, 4), "int8", (0.15,), -10)
    w.operator("ADD", [a, b], [c], 2, table="AddOptions", fusedActivationFunction=1)
    p = w.tensor((1, 5, 5, 4), "int8", (0.15,), -10)
    pads = w.tensor((4, 2), "int32", data=np.array([0, 0, 0, 1, 1, 0, 0, 0]))
    w.operator("PAD", [c, pads], [p], 2, table="PadOptions")
    m = w.tensor((1, 2, 2, 4), "int8", (0.15,), -10)
    w.operator("MAX_POOL_2D", [p], [m], 2, table="Pool2DOptions", filterHeight=2, filterWidth=2, strideH=2, strideW=2,
               padding=1)  # fmt: skip
    g = w.tensor((1, 4), "int8", (0.1,), -20)
    w.operator("MEAN", [m, w.tensor((2,), "int32", data=np.array([1, 2]))], [g], 2, table="ReducerOptions")
    f = w.tensor((1, 3), "int8", (0.1,), 5)
    rows = w.tensor((3, 4), "int8", (0.01,), 0, 0, random.integers(-127, 128, (3, 4)))
    w.operator("FULLY_CONNECTED", [g, rows, bias(3)], [f], 4, table="FullyConnectedOptions")
    s = w.tensor((1, 3), "int8", (1 / 256,), -128)
    w.operator("SOFTMAX", [f], [s], 2, table="SoftmaxOptions", beta=1.0)
    t = w.tensor((1, 3), "int8", (1 / 256,), -128)
    w.operator("RESHAPE", [s, w.tensor((2,), "int32", data=np.array([1, -1]))], [t], table="ReshapeOptions")
    return w.bytes([x], [t])
