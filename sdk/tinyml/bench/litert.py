"""LiteRT's reference kernels as the oracle of a TFLite file: the only module that imports ai-edge-litert."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tinyml.bench.inputs import Inputs
from tinyml.errors import missing_extra
from tinyml.importers.tflite import import_tflite


class LiteRt:
    """A TFLite file in LiteRT's interpreter, seen at its int8 borders."""

    def __init__(self, path: Path) -> None:
        """Raises: MissingToolError when ai-edge-litert is not installed, ModelError."""
        try:
            from ai_edge_litert.interpreter import Interpreter, OpResolverType
        except ModuleNotFoundError as error:
            raise missing_extra("test", "ai_edge_litert") from error
        imported = import_tflite(path)
        self.graph = imported.graph
        self._index = {value: index for index, value in imported.tensors.items()}
        self._interpreter = Interpreter(str(path), experimental_op_resolver_type=OpResolverType.BUILTIN_REF,
                                        experimental_preserve_all_tensors=True)  # fmt: skip
        self._interpreter.allocate_tensors()

    def run(self, inputs: Inputs) -> tuple[np.ndarray, ...]:
        """The int8 outputs for int8 inputs, in the graph's order."""
        for detail, value, data in zip(self._interpreter.get_input_details(), self.graph.inputs, inputs, strict=True):
            if detail["dtype"] != np.int8:
                quant = self.graph.types[value].quant
                data = (data.astype(np.float32) - np.float32(quant.zero_point)) * np.float32(quant.scale)
            self._interpreter.set_tensor(detail["index"], data)
        self._interpreter.invoke()
        return tuple(self._interpreter.get_tensor(self._index[value]) for value in self.graph.outputs)
