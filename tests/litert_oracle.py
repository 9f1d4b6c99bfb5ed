"""LiteRT's reference kernels beside the integer reference: every tensor of a network, on the same inputs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from tinyml.importers.tflite import Imported, import_tflite
from tinyml.ir.interpret import interpret

NETWORKS = ("mlperf_kws", "mlperf_vww", "mlperf_ic", "mlperf_ad", "mlperf_sww", "mcunet_vww")


def inputs(shape: tuple[int, ...], count: int) -> Iterator[np.ndarray]:
    """int8 tensors: both ends and zero, a checkerboard of the ends, then uniform and gaussian noise in turn."""
    random = np.random.default_rng(11)
    ends = np.where(np.indices(shape).sum(axis=0) % 2, 127, -128)
    for index in range(count):
        if index < 4:
            data = (np.full(shape, -128), np.full(shape, 127), np.zeros(shape), ends)[index]
        elif index % 2:
            data = random.integers(-128, 128, shape)
        else:
            data = random.normal(random.integers(-60, 60), 30, shape).clip(-128, 127)
        yield data.astype(np.int8)


class Oracle:
    """One single-input network in LiteRT and as a graph."""

    def __init__(self, path: Path) -> None:
        self.imported: Imported = import_tflite(path)
        self.kind = self.imported.graph.types[self.imported.graph.inputs[0]]
        self._litert = Interpreter(str(path), experimental_op_resolver_type=OpResolverType.BUILTIN_REF,
                                   experimental_preserve_all_tensors=True)  # fmt: skip
        self._litert.allocate_tensors()
        self._input = self._litert.get_input_details()[0]

    def differing(self, count: int) -> dict[str, int]:
        """Values that differ from LiteRT's tensors on `count` inputs, with the number of elements that do."""
        found: dict[str, int] = {}
        for data in inputs(self.kind.shape, count):
            litert = self.tensors(data)
            values = interpret(self.imported.graph, data, keep=True)
            for value, tensor in litert.items():
                wrong = int(np.sum(tensor != values[value]))
                if wrong:
                    found[value] = found.get(value, 0) + wrong
        return found

    def tensors(self, data: np.ndarray) -> dict[str, np.ndarray]:
        """Every int8 activation of LiteRT for one input, by the name of the value that the importer gave it."""
        self._set(data)
        self._litert.invoke()
        return {value: self._litert.get_tensor(index) for index, value in self.imported.tensors.items()}

    def _set(self, data: np.ndarray) -> None:
        if self._input["dtype"] != np.int8:
            quant = self.kind.quant
            data = ((data.astype(np.float32) - quant.zero_point) * np.float32(quant.scale)).astype(np.float32)
        self._litert.set_tensor(self._input["index"], data)

    def int8_tensors(self) -> int:
        """How many tensors LiteRT computes or reads that are int8 activations."""
        operators = self._litert._get_ops_details()
        computed = {int(i) for o in operators for i in o["outputs"]} | {self._input["index"]}
        details = {t["index"]: t for t in self._litert.get_tensor_details()}
        return sum(details[i]["dtype"] == np.int8 for i in computed)
