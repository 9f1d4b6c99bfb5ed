"""TFLite files that cannot be imported: the error names the place, what is supported and what to change."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("ai_edge_litert")
pytest.importorskip("flatbuffers")

from tests.errors.tflite_judge import small_model  # noqa: E402
from tests.golden.tflite_models import ModelWriter  # noqa: E402

from tinyml.importers import ModelError, load_model  # noqa: E402
from tinyml.importers.tflite import import_tflite  # noqa: E402


def relu(change: Callable[[ModelWriter], None] | None = None, dtype: str = "int8") -> bytes:
    """A model of one RELU, changed before it is written."""
    w = ModelWriter()
    scales = () if dtype == "float32" else (0.1,)
    tensors = [w.tensor((1, 4, 4, 2), dtype, scales, 0) for _ in range(2)]
    w.operator("RELU", tensors[:1], tensors[1:], 2)
    if change is not None:
        change(w)
    return w.bytes(tensors[:1], tensors[1:])


def dynamic(w: ModelWriter) -> None:
    w.tensors[0].shapeSignature = [1, -1, 4, 2]


def variable(w: ModelWriter) -> None:
    w.tensors[0].isVariable = True


def custom(w: ModelWriter) -> None:
    w.codes[0].builtinCode = w.codes[0].deprecatedBuiltinCode = 32
    w.codes[0].customCode = "MyOp"


def unsupported(w: ModelWriter) -> None:
    w.codes[0].builtinCode = w.codes[0].deprecatedBuiltinCode = 47


def unknown(w: ModelWriter) -> None:
    w.codes[0].builtinCode, w.codes[0].deprecatedBuiltinCode = 300, 127


def newer(w: ModelWriter) -> None:
    w.codes[0].version = 99


def per_channel(w: ModelWriter) -> None:
    q = w.tensors[0].quantization
    q.scale, q.zeroPoint, q.quantizedDimension = [0.1, 0.2], [0, 0], 3


def unquantised(w: ModelWriter) -> None:
    w.tensors[1].quantization = None


def uneven(w: ModelWriter) -> None:
    w.tensors[0].quantization.zeroPoint = [300]


def bad_scale(w: ModelWriter) -> None:
    w.tensors[0].quantization.scale = [float("nan")]


def other_shape(w: ModelWriter) -> None:
    w.tensors[1].shape = [1, 4, 2, 4]


def not_computed(w: ModelWriter) -> None:
    w.operators.clear()


@pytest.mark.parametrize(
    ("model", "message", "hint"),
    [
        (b"", "not a TFLite file", "TFL3"),
        (b"GIF89a" * 9, "not a TFLite file", "TFL3"),
        (relu(dynamic), "dynamic shape [1, -1, 4, 2]", "fixed input shape"),
        (relu(variable), "tensor 0 `t0` is a variable", "without variables"),
        (relu(custom), "not supported: CUSTOM MyOp", "supported: ADD"),
        (relu(unsupported), "not supported: EXP", "supported: ADD"),
        (relu(unknown), "not supported: OPERATOR_300", "supported: ADD"),
        (relu(newer), "operator 0, RELU (tensor 1 `t1`): it has version 99", "update tinyml"),
        (relu(dtype="int16"), "int16", "int8"),
        (relu(dtype="float32"), "float32", "quantise the model to int8"),
        (relu(dtype="uint8"), "uint8", "int8"),
        (relu(per_channel), "needs one scale", ""),
        (relu(unquantised), "has no quantisation", "quantise the model"),
        (relu(uneven), "zero point within int8", ""),
        (relu(bad_scale), "not positive and finite", ""),
        (relu(other_shape), "stored as [1, 4, 2, 4] but has the shape [1, 4, 4, 2]", "damaged"),
        (relu(not_computed), "is not computed by any operator", ""),
        (small_model()[:900], "damaged", "again"),
    ],
)
def test_what_cannot_be_imported_is_named(model: bytes, message: str, hint: str) -> None:
    with pytest.raises(ModelError) as caught:
        import_tflite(model)
    assert message in caught.value.message
    assert hint in (caught.value.hint or "")


def rewritten(change: Callable[[object], None]) -> bytes:
    """The small model with its object changed."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(small_model(), 0)
    change(model)
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def test_other_schema_versions() -> None:
    with pytest.raises(ModelError, match="schema version 4; version 3 is supported"):
        import_tflite(rewritten(lambda m: setattr(m, "version", 4)))


def test_several_subgraphs() -> None:
    with pytest.raises(ModelError, match="2 subgraphs"):
        import_tflite(rewritten(lambda m: m.subgraphs.append(m.subgraphs[0])))


def test_four_bit_weights() -> None:
    def to_int4(model: object) -> None:
        weights = next(t for t in model.subgraphs[0].tensors if list(t.shape) == [4, 3, 3, 2])
        weights.type = 17

    with pytest.raises(ModelError, match=r"CONV_2D .*is int4; supported: int8"):
        import_tflite(rewritten(to_int4))


def many_operators(count: int) -> bytes:
    w = ModelWriter()
    at = first = w.tensor((1, 4), "int8", (0.05,))
    for _ in range(count):
        following = w.tensor((1, 4), "int8", (0.05,))
        w.operator("RELU", [at], [following], 2)
        at = following
    return w.bytes([first], [at])


def shared_weights(count: int) -> bytes:
    """Wide layers that all read one constant: far more work than the size of the file suggests."""
    w = ModelWriter()
    x = w.tensor((1, 1), "int8", (0.05,))
    scales = np.random.default_rng(0).uniform(0.001, 0.01, 4096).tolist()
    weights = w.tensor((4096, 1), "int8", scales, data=np.ones((4096, 1)))
    outs = [w.tensor((1, 4096), "int8", (0.1,)) for _ in range(count)]
    for out in outs:
        w.operator("FULLY_CONNECTED", [x, weights, -1], [out], 4, table="FullyConnectedOptions")
    return w.bytes([x], outs[-1:])


def wide_multiplier() -> bytes:
    """A depth multiplier that would become a dense kernel of a gigabyte."""
    w, channels = ModelWriter(), 2**13
    x = w.tensor((1, 1, 1, channels), "int8", (0.05,))
    weights = w.tensor((1, 1, 1, channels * 16), "int8", (0.01,), data=np.ones(channels * 16))
    out = w.tensor((1, 1, 1, channels * 16), "int8", (0.1,))
    w.operator("DEPTHWISE_CONV_2D", [x, weights, -1], [out], 3, strideH=1, strideW=1, depthMultiplier=16,
               table="DepthwiseConv2DOptions")  # fmt: skip
    return w.bytes([x], [out])


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (many_operators(6000), "more than 4,096"),
        (shared_weights(1500), "many times larger than its file"),
        (wide_multiplier(), "too large"),
    ],
    ids=["operators", "shared", "multiplier"],
)
def test_files_that_ask_for_much_are_refused_soon(model: bytes, message: str) -> None:
    start = time.process_time()
    with pytest.raises(ModelError, match=message):
        import_tflite(model)
    assert time.process_time() - start < 2


@pytest.mark.parametrize("name", ["net.h5", "missing.tflite", "folder.tflite"])
def test_paths_that_are_no_models(tmp_path: Path, name: str) -> None:
    (tmp_path / "net.h5").write_bytes(b"HDF")
    (tmp_path / "folder.tflite").mkdir()
    with pytest.raises(ModelError, match=name):
        load_model(tmp_path / name)


def tinyml(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "tinyml.cli.main", *arguments], cwd=folder, capture_output=True,
                          text=True, check=False)  # fmt: skip


def test_import_shows_the_operators_and_writes_the_graph(tmp_path: Path) -> None:
    (tmp_path / "net.tflite").write_bytes(small_model())
    done = tinyml(tmp_path, "import", "net.tflite")
    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines()]
    assert ["CONV_2D", "1", "supported"] in rows
    assert ["RELU6", "1", "fused"] in rows
    assert ["RESHAPE", "1", "folded"] in rows
    assert load_model(tmp_path / "net.tir") == import_tflite(small_model(), "net").graph


def test_import_of_an_unsupported_operator_writes_nothing(tmp_path: Path) -> None:
    (tmp_path / "net.tflite").write_bytes(relu(unsupported))
    done = tinyml(tmp_path, "import", "net.tflite")
    assert done.returncode == 1
    assert ["EXP", "1", "not", "supported"] in [line.split() for line in done.stdout.splitlines()]
    said = " ".join(done.stderr.split())
    assert "operator 0 (tensor 1 `t1`)" in said and "Traceback" not in said
    assert [p.name for p in tmp_path.iterdir()] == ["net.tflite"]
