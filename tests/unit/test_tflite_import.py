"""Names, borders and lists of operators of imported TFLite models."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("ai_edge_litert")
pytest.importorskip("flatbuffers")

from tests.golden.tflite_models import ModelWriter  # noqa: E402

from tinyml.importers import ModelError, load_model  # noqa: E402
from tinyml.importers.names import Names, identifier  # noqa: E402
from tinyml.importers.operators import OPERATOR_TABLE, operators_in  # noqa: E402
from tinyml.importers.tflite import Imported, import_tflite  # noqa: E402
from tinyml.ir.save import save  # noqa: E402
from tinyml.ir.tensor import QuantParams  # noqa: E402
from tinyml.ir.text import from_text, to_text  # noqa: E402


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("model/conv/Relu;model/bn;model/conv", "model_conv_Relu"),
        ("serving_default_x:0", "serving_default_x"),
        ("956", "value_956"),
        ("", "value"),
        ("größe", "gr_e"),
        ("const", "const_"),
        ("lambda", "lambda_"),
        ("while", "while_"),
        ("a" * 80, "a" * 56),
    ],
)
def test_identifiers(name: str, expected: str) -> None:
    assert identifier(name) == expected


def test_names_are_handed_out_once() -> None:
    names = Names()
    assert [names.unique(n) for n in ("a", "a", "a_2", "a", "a/2")] == ["a", "a_2", "a_2_2", "a_3", "a_2_3"]


def bordered(dtype: str, *, outside_zero: int = 125, copies: int = 1) -> tuple[bytes, int, int]:
    """QUANTIZE -> RELU -> DEQUANTIZE (or QUANTIZE to uint8): (model, index of the inner input, of the inner output)."""
    w = ModelWriter()
    scales, back = ((), "DEQUANTIZE") if dtype == "float32" else ((0.1,), "QUANTIZE")
    x, out = w.tensor((1, 4), dtype, scales, outside_zero), w.tensor((1, 4), dtype, scales, outside_zero)
    inner = [w.tensor((1, 4), "int8", (0.1,), -3) for _ in range(copies)]
    for tensor in inner:
        w.operator("QUANTIZE", [x], [tensor], 1)
    y = w.tensor((1, 4), "int8", (0.1,), -3)
    if copies == 1:
        w.operator("RELU", inner, [y], 2)
    else:
        w.operator("ADD", inner, [y], 2, table="AddOptions")
    w.operator(back, [y], [out], 2 if dtype == "float32" else 1)
    return w.bytes([x], [out]), inner[0], y


@pytest.mark.parametrize("dtype", ["float32", "uint8"])
@pytest.mark.parametrize("copies", [1, 2])
def test_borders_become_int8(dtype: str, copies: int) -> None:
    model, inner, out = bordered(dtype, copies=copies)
    imported = import_tflite(model)
    graph = imported.graph
    assert [n.op.ir_name for n in graph.nodes] == ["lookup" if copies == 1 else "add"]
    assert (imported.tensors[inner],) == graph.inputs
    assert (imported.tensors[out],) == graph.outputs
    assert graph.types[graph.inputs[0]].quant == QuantParams((0.1,), -3)


def test_a_uint8_border_of_another_scale_is_refused() -> None:
    with pytest.raises(ModelError, match="is uint8"):
        import_tflite(bordered("uint8", outside_zero=99)[0])


def test_the_same_file_gives_the_same_graph(tmp_path: Path) -> None:
    model = bordered("float32")[0]
    first, second = (import_tflite(model, "net") for _ in range(2))
    assert isinstance(first, Imported)
    assert to_text(first.graph) == to_text(second.graph)


@pytest.mark.shared
@pytest.mark.parametrize("name", ["mcunet_vww", "mlperf_ic"])
def test_graphs_of_networks_are_saved_and_loaded(shared_dir: Path, tmp_path: Path, name: str) -> None:
    graph = load_model(shared_dir / "models" / f"{name}.tflite")
    assert graph.name == name
    folder = save(graph, tmp_path / "net.tir")
    assert load_model(folder) == graph
    weightless = {n: replace(c, data=None) for n, c in graph.consts.items()}
    assert from_text(to_text(graph)) == replace(graph, consts=weightless)


def test_the_table_names_every_operator_of_the_formats() -> None:
    tflite = OPERATOR_TABLE[".tflite"]
    assert tflite["CONV_2D"] == "supported" and tflite["QUANTIZE"] == "folded" and tflite["LSTM"] == "not supported"
    assert set(tflite.values()) <= {"supported", "fused", "folded", "not supported"}
    assert "Conv" in OPERATOR_TABLE[".onnx"]


def test_every_supported_operator_is_documented(repository: Path) -> None:
    rows = re.findall(r"^\| (`.*?`) \|", (repository / "docs" / "tflite-models.md").read_text(), re.M)
    documented = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert documented == {name for name, status in OPERATOR_TABLE[".tflite"].items() if status != "not supported"}


def test_operators_of_a_model(tmp_path: Path) -> None:
    (tmp_path / "net.tflite").write_bytes(bordered("float32", copies=2)[0])
    found = {u.operator: (u.count, u.status) for u in operators_in(tmp_path / "net.tflite")}
    assert found == {"QUANTIZE": (2, "folded"), "ADD": (1, "supported"), "DEQUANTIZE": (1, "folded")}


def test_inner_requantisation_is_a_layer(tmp_path: Path) -> None:
    w = ModelWriter()
    x, y = w.tensor((1, 4), "int8", (0.1,), -3), w.tensor((1, 4), "int8", (0.2,), 4)
    w.operator("QUANTIZE", [x], [y], 1)
    (tmp_path / "net.tflite").write_bytes(w.bytes([x], [y]))
    assert [(u.operator, u.status) for u in operators_in(tmp_path / "net.tflite")] == [("QUANTIZE", "supported")]
    graph = load_model(tmp_path / "net.tflite")
    assert np.array_equal([n.op.ir_name for n in graph.nodes], ["lookup"])
