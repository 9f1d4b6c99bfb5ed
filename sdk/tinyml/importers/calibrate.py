"""A float ONNX model becomes int8: onnxruntime finds scales, the importer makes the graph, a report tells the noise."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

import numpy as np

from tinyml.errors import Progress, ProjectError, missing_extra, no_progress
from tinyml.importers.calibrate_data import CalibrationFolder, Item
from tinyml.importers.calibrate_prepare import error_lines, prepare
from tinyml.importers.onnx import Converted, OnnxError, convert_onnx, read_onnx
from tinyml.importers.onnx.constants import fixed_shape
from tinyml.ir.graph import Graph
from tinyml.ir.interpret import interpret

Method = Literal["minmax", "percentile"]
_MOST_COMPARED = 64  # items that the report is measured on


@dataclass(frozen=True)
class LayerNoise:
    """How far one tensor of the int8 graph lies from the float model's, over the items compared."""

    layer: str
    operator: str
    snr_db: float

    def record(self) -> dict[str, str | float | None]:
        """For JSON: an exact layer has no finite ratio."""
        return {"layer": self.layer, "operator": self.operator, "snr_db": self.snr_db if self.is_noisy else None}

    @property
    def is_noisy(self) -> bool:
        return bool(np.isfinite(self.snr_db))


@dataclass(frozen=True)
class CalibrationResult:
    """The int8 graph, and for each layer in order the ratio of signal to quantisation noise."""

    graph: Graph
    layers: tuple[LayerNoise, ...]
    items: int


def calibrate_onnx(
    model: Path | str, data_dir: Path | str, method: Method = "minmax", *, percentile: float = 99.99,
    name: str | None = None, progress: Progress = no_progress,
) -> CalibrationResult:  # fmt: skip
    """Quantise a float ONNX model to int8 on the items of a folder (see `CalibrationFolder`).

    `minmax` takes the range of each tensor as it was seen; `percentile` leaves out the rarest values. Weights are int8,
    symmetric, per channel. Raises: OnnxError for models, ProjectError for data that do not fit, MissingToolError.
    """
    if method not in ("minmax", "percentile"):
        raise OnnxError(f"there is no calibration method `{method}`", hint="use `minmax` or `percentile`")
    if not 50 < percentile <= 100:
        raise OnnxError(f"percentile {percentile} is outside (50, 100]")
    try:
        import onnxruntime  # noqa: F401 - to know whether it is there
    except ImportError as error:
        raise missing_extra("onnx", "onnxruntime") from error
    source = read_onnx(model)
    if any(node.kind == "QuantizeLinear" for node in source.nodes):
        raise OnnxError(f"{model} is quantised already", hint="import it without `--calibrate`")
    folder = CalibrationFolder(Path(data_dir), {v.name: fixed_shape(v) for v in source.inputs})
    with tempfile.TemporaryDirectory() as work:
        prepared, quantised = Path(work) / "prepared.onnx", Path(work) / "int8.onnx"
        prepare(Path(model), prepared)
        _quantise(prepared, quantised, folder, method, percentile, progress)
        converted = convert_onnx(quantised, name or Path(model).stem)
        items = list(islice(folder.items(), _MOST_COMPARED))
        return CalibrationResult(converted.graph, _noise(prepared, converted, items), len(items))


class _Items:
    """The folder as onnxruntime reads it: one item after the other, None at the end."""

    def __init__(self, items: Iterator[Item]) -> None:
        self._items = items

    def get_next(self) -> Item | None:
        return next(self._items, None)


def _quantise(prepared: Path, target: Path, folder: CalibrationFolder, method: Method, percentile: float,
              progress: Progress) -> None:  # fmt: skip
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static

    nodes = read_onnx(prepared).nodes
    shares = {"scale": np.array(1 / 256, np.float32), "zero_point": np.array(-128, np.int8)}  # the graph's own
    softmax = {node.outputs[0]: [{"quant_type": QuantType.QInt8, **shares}] for node in nodes if node.kind == "Softmax"}
    options: dict[str, object] = {
        "ActivationSymmetric": False,
        "WeightSymmetric": True,
        "TensorQuantOverrides": softmax,
    }
    if method == "percentile":
        options["CalibPercentile"] = percentile
    kinds = {"minmax": CalibrationMethod.MinMax, "percentile": CalibrationMethod.Percentile}
    try:
        with redirect_stdout(io.StringIO()):  # it prints what it does
            quantize_static(
                str(prepared), str(target), _Items(folder.items(progress)), quant_format=QuantFormat.QDQ,
                activation_type=QuantType.QInt8, weight_type=QuantType.QInt8, per_channel=True,
                calibrate_method=kinds[method], extra_options=options,
                op_types_to_quantize=sorted({node.kind for node in nodes}),
            )  # fmt: skip
    except ProjectError:  # from the calibration folder
        raise
    except Exception as error:  # onnxruntime raises errors of many classes
        raise OnnxError("onnxruntime cannot quantise the model", details=error_lines(error)) from error


def _noise(prepared: Path, converted: Converted, items: list[Item]) -> tuple[LayerNoise, ...]:
    """The ratio of signal to noise of every value of the graph that the float model has too, in the graph's order."""
    graph = converted.graph
    floats = {name: tensor for name, tensor in converted.tensors.items() if tensor.value not in graph.inputs}
    session, names = _session(prepared, set(floats))
    signal, noise = dict.fromkeys(names, 0.0), dict.fromkeys(names, 0.0)
    for item in items:
        kept = interpret(graph, *(_integers(graph, converted, v, item) for v in graph.inputs), keep=True)
        for name, real in zip(names, session.run(names, dict(item)), strict=True):
            tensor = floats[name]
            quant = graph.types[tensor.value].quant
            ours = (tensor.layout.from_memory(kept[tensor.value]).astype(np.float64) - quant.zero_point) * quant.scale
            signal[name] += float(np.sum(np.square(real, dtype=np.float64)))
            noise[name] += float(np.sum(np.square(real.astype(np.float64) - ours)))
    by_value = {floats[name].value: name for name in names}
    found = ((node, by_value[v]) for node in graph.nodes for v in node.outputs if v in by_value)
    return tuple(LayerNoise(name, node.op.ir_name, _decibel(signal[name], noise[name])) for node, name in found)


def _decibel(signal: float, noise: float) -> float:
    """Infinite without noise; a signal of nothing counts as 100 dB below its noise."""
    return 10 * float(np.log10(max(signal, noise * 1e-10) / noise)) if noise else float("inf")


def _integers(graph: Graph, converted: Converted, value: str, item: Item) -> np.ndarray:
    """One float input as the int8 input `value` of the graph."""
    name = next(n for n, tensor in converted.tensors.items() if tensor.value == value and n in item)
    kind = graph.types[value]
    steps = np.rint(item[name].astype(np.float64) / kind.quant.scale) + kind.quant.zero_point
    data = np.clip(steps, -128, 127).astype(np.int8)
    return converted.tensors[name].layout.to_memory(data).reshape(kind.shape)


def _session(prepared: Path, wanted: set[str]):  # noqa: ANN202 - onnxruntime's session, and the tensors it gives
    """The float model with all of `wanted` that it computes as outputs."""
    import onnx
    import onnxruntime

    model = onnx.load(prepared)
    names = [o for node in model.graph.node for o in node.output if o in wanted]
    del model.graph.output[:]
    model.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in names)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"]), names
