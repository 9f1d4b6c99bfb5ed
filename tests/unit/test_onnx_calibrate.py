"""Float ONNX models made int8: ranges from files, batch normalisation folded, the noise of every layer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from tests.unit.onnx_oracle import FloatNetwork  # noqa: E402

from tinyml.compiler import HostModel, compile_graph  # noqa: E402
from tinyml.errors import ProjectError  # noqa: E402
from tinyml.importers.calibrate import CalibrationResult, calibrate_onnx  # noqa: E402
from tinyml.importers.calibrate_data import CalibrationFolder  # noqa: E402
from tinyml.ir.interpret import interpret  # noqa: E402
from tinyml.toolchain.host import HOST  # noqa: E402

SHAPE = (1, 3, 12, 10)


def network() -> FloatNetwork:
    n = FloatNetwork({"image": SHAPE})
    x = n.conv("image", "c1", (3, 8), (3, 3), pads=[1] * 4, strides=[2, 2])
    parameters = [n.constant("s", np.full(8, 1.5, np.float32)), n.normal("t", 8), n.normal("m", 8),
                  n.constant("v", np.ones(8, np.float32))]  # fmt: skip
    x = n.add("HardSwish", [n.add("BatchNormalization", [x, *parameters], "bn")], "swish")
    x = n.add("Relu", [n.conv(x, "c2", (8, 8), (3, 3), group=8, pads=[1] * 4)], "relu")
    x = n.add("Flatten", [n.add("GlobalAveragePool", [x], "mean")], "flat")
    x = n.add("Gemm", [x, n.normal("w", 8, 5, scale=0.5), n.normal("b", 5)], "scores")
    n.add("Softmax", [x], "probabilities")
    return n


@pytest.fixture
def model(tmp_path: Path) -> Path:
    onnx.save(network().model("probabilities", batch="N"), tmp_path / "net.onnx")
    return tmp_path / "net.onnx"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    random = np.random.default_rng(2)
    np.save(folder / "many.npy", random.standard_normal((6, *SHAPE[1:])).astype(np.float32))
    np.save(folder / "one.npy", random.standard_normal(SHAPE[1:]))
    return folder


def float_answers(model: Path, items: np.ndarray) -> np.ndarray:
    import onnxruntime

    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return np.concatenate([session.run(None, {"image": x[None]})[0] for x in items])


def decibel(result: CalibrationResult) -> dict[str, float]:
    return {layer.layer: layer.snr_db for layer in result.layers}


def test_the_graph_computes_what_the_float_model_does(model: Path, data: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    result = calibrate_onnx(model, data, progress=lambda *step: seen.append(step))
    assert result.items == 7 and seen == [("calibrating", 1, 2), ("calibrating", 2, 2)]
    graph = result.graph
    assert graph.name == "net" and graph.outputs == ("probabilities",)
    assert graph.types["image"].shape == (1, 12, 10, 3)
    names = [node.op.ir_name for node in graph.nodes]
    assert names.count("lookup") == 1 and "mul" not in names, "HardSwish is one table, and softmax needs none"
    items = np.load(data / "many.npy")
    quant = graph.types["image"].quant
    steps = np.clip(np.rint(items / quant.scale) + quant.zero_point, -128, 127).astype(np.int8).transpose(0, 2, 3, 1)
    (ours,) = interpret(graph, steps)
    out = graph.types[graph.outputs[0]].quant
    assert np.abs((ours.astype(float) - out.zero_point) * out.scale - float_answers(model, items)).max() < 0.05
    assert np.array_equal(HostModel(compile_graph(graph, HOST)).invoke(steps), ours)


def test_the_noise_of_every_layer(model: Path, data: Path) -> None:
    result = calibrate_onnx(model, data)
    noise = decibel(result)
    assert list(noise) == ["bn", "swish", "relu", "flat", "scores", "probabilities"]
    assert all(25 < value < 60 for value in noise.values())
    assert result.layers[0].record() == {"layer": "bn", "operator": "conv2d", "snr_db": noise["bn"]}


def test_percentiles_leave_out_the_rarest_values(model: Path, data: Path) -> None:
    whole = calibrate_onnx(model, data)
    most = calibrate_onnx(model, data, "percentile", percentile=98.0)
    assert most.graph.types["image"].quant.scale < 0.95 * whole.graph.types["image"].quant.scale
    assert decibel(most)["bn"] < decibel(whole)["bn"], "what is cut off is noise on these data"


def test_a_layer_that_is_exact_has_no_ratio(tmp_path: Path, data: Path) -> None:
    n = FloatNetwork({"image": SHAPE})
    n.add("Relu", [n.conv("image", "c", (3, 2), (1, 1))], "dead")
    for tensor in n.initializers:
        tensor.CopyFrom(onnx.numpy_helper.from_array(np.zeros_like(onnx.numpy_helper.to_array(tensor)), tensor.name))
    onnx.save(n.model("dead"), tmp_path / "dead.onnx")
    (layer,) = calibrate_onnx(tmp_path / "dead.onnx", data).layers
    assert not layer.is_noisy and layer.record()["snr_db"] is None


def test_images_and_recordings(tmp_path: Path) -> None:
    from PIL import Image

    pixels = np.random.default_rng(1).integers(0, 256, (9, 14, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    Image.fromarray(pixels[..., 0]).save(tmp_path / "b.png")
    for shape in ((1, 3, 9, 14), (1, 9, 14, 3)):
        first, second = (item["x"] for item in CalibrationFolder(tmp_path, {"x": shape}).items())
        rows = first if shape[3] == 3 else first.transpose(0, 2, 3, 1)
        assert first.dtype == np.float32 and np.array_equal(np.rint(rows[0] * 255), pixels)
        assert second.shape == shape
    small = next(iter(CalibrationFolder(tmp_path, {"x": (1, 1, 4, 5)}).items()))["x"]
    assert small.shape == (1, 1, 4, 5) and 0 <= small.min() < small.max() <= 1


def test_recordings(tmp_path: Path) -> None:
    import soundfile

    sound = np.linspace(-0.5, 0.5, 100)
    soundfile.write(tmp_path / "a.wav", np.stack([sound, sound], axis=1), 16000, subtype="FLOAT")
    (item,) = CalibrationFolder(tmp_path, {"x": (1, 1, 160)}).items()
    assert item["x"].shape == (1, 1, 160)
    assert np.allclose(item["x"][0, 0, :100], sound) and not item["x"][0, 0, 100:].any()


def test_several_inputs(tmp_path: Path) -> None:
    n = FloatNetwork({"a": (1, 2, 4, 4), "b": (1, 2, 4, 4)})
    n.add("Add", ["a", "b"], "y")
    onnx.save(n.model("y"), tmp_path / "two.onnx")
    folder = tmp_path / "items"
    folder.mkdir()
    random = np.random.default_rng(0)
    for index in range(3):
        np.savez(folder / f"{index}.npz", a=random.standard_normal((2, 4, 4)), b=random.standard_normal((1, 2, 4, 4)))
    result = calibrate_onnx(tmp_path / "two.onnx", folder)
    assert result.graph.inputs == ("a", "b") and decibel(result)["y"] > 30
    np.save(folder / "3.npy", np.zeros((2, 4, 4), np.float32))
    with pytest.raises(ProjectError, match="has 2 inputs; 3.npy holds one array"):
        calibrate_onnx(tmp_path / "two.onnx", folder)


@pytest.mark.parametrize(("name", "content", "message"), [
    ("x.npy", np.zeros((3, 12, 11), np.float32), r"holds float32\[3, 12, 11\], the model takes float32\[1, 3, 12,"),
    ("x.npy", np.full((3, 12, 10), np.nan, np.float32), "not finite"),
    ("x.npy", b"no array", "x.npy cannot be read"),
    ("x.png", b"no image", "x.png cannot be read"),
    ("x.wav", b"no sound", "is a recording, but the model takes"),
    ("x.npz", b"no arrays", "x.npz cannot be read"),
    ("x.txt", b"text", "nothing to calibrate with"),
])  # fmt: skip
def test_data_that_do_not_fit(model: Path, tmp_path: Path, name: str, content: object, message: str) -> None:
    folder = tmp_path / "bad"
    folder.mkdir()
    if isinstance(content, bytes):
        (folder / name).write_bytes(content)
    else:
        np.save(folder / name, content)
    with pytest.raises(ProjectError, match=message):
        calibrate_onnx(model, folder)


def test_models_that_cannot_be_calibrated(model: Path, data: Path, tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="no calibration method `entropy`"):
        calibrate_onnx(model, data, "entropy")
    with pytest.raises(ProjectError, match="percentile 10 is outside"):
        calibrate_onnx(model, data, "percentile", percentile=10)
    with pytest.raises(ProjectError, match="cannot be read"):
        calibrate_onnx(model, tmp_path / "nowhere")
    n = FloatNetwork({"image": SHAPE})
    n.add("Erf", [n.conv("image", "c", (3, 2), (1, 1))], "y")
    onnx.save(n.model("y"), tmp_path / "erf.onnx")
    with pytest.raises(ProjectError, match="Erf `y_node`: the operator is not supported"):
        calibrate_onnx(tmp_path / "erf.onnx", data)
