"""Quantisation: the training forward pass, the graph's interpreter and onnxruntime decide as one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from tinyml.compiler import HostModel, compile_graph
from tinyml.errors import ProjectError
from tinyml.ir.graph import Graph
from tinyml.ir.interpret import interpret
from tinyml.ir.tensor import QuantParams
from tinyml.ir.verify import verify
from tinyml.models import build
from tinyml.quant import QatNetwork, QuantConfig, QuantResult, lower, quantize, save_float_answers, write_qdq_onnx
from tinyml.toolchain.host import HOST
from tinyml.train import TrainConfig, evaluate, fit
from tinyml.train.metrics import dequantize

QUANT = QuantParams((0.5,), 0)


@pytest.fixture(scope="module")
def trained(feature_blobs) -> nn.Module:
    model = build("ds_cnn", (49, 40), 4, width_mult=0.5)
    fit(model, feature_blobs(800, seed=1), feature_blobs(100, seed=2), TrainConfig(steps=60, batch_size=64, threads=1),
        input_quant=QUANT)  # fmt: skip
    return model


@pytest.fixture(scope="module")
def quantized(trained, feature_blobs) -> QuantResult:
    before = {name: value.clone() for name, value in trained.state_dict().items()}
    result = quantize(trained, feature_blobs(800, seed=1), feature_blobs(300, seed=3),
                      QuantConfig(steps=25, batch_size=64, threads=1), input_quant=QUANT)  # fmt: skip
    assert all(torch.equal(value, before[name]) for name, value in trained.state_dict().items())
    return result


def assert_equal_integers(network: QatNetwork, graph: Graph, x: np.ndarray) -> None:
    """Every layer of the network's evaluation pass against the graph's interpreter, tolerance 0."""
    verify(graph)
    windows = dequantize(x, network.input_quant)
    if network.input_shape[0] != 1:
        windows = windows.expand(-1, network.input_shape[0], -1, -1)
    network.eval()
    with torch.no_grad():
        values = network.values(windows)
        logits = network(windows)
    data = (values["input"].steps + values["input"].zero_point).to(torch.int8).permute(0, 2, 3, 1).numpy()
    kept = interpret(graph, data, keep=True)
    compared = 0
    for name, value in values.items():
        if name not in kept:
            continue
        q = (value.steps + value.zero_point).numpy()
        q = q.transpose(0, 2, 3, 1) if q.ndim == 4 else q
        if not name.startswith("flatten"):  # whose order is NCHW here and NHWC there
            assert np.array_equal(q.reshape(len(q), -1), kept[name].reshape(len(q), -1)), f"layer {name} differs"
            compared += 1
    assert compared >= 3
    last = graph.type(graph.nodes[-1].inputs[0]).quant
    steps = kept[graph.nodes[-1].inputs[0]].astype(np.float64) - last.zero_point
    assert np.array_equal(logits.numpy(), (steps * last.scale).astype(np.float32))


def test_training_arithmetic_equals_the_graph(quantized: QuantResult, feature_blobs) -> None:
    assert_equal_integers(quantized.qat_module, quantized.graph, feature_blobs(200, seed=4).x)
    extremes = np.random.default_rng(0).choice(np.array([-128, 0, 127], np.int8), (20, 49, 40))
    assert_equal_integers(quantized.qat_module, quantized.graph, extremes)


def test_emitted_c_equals_the_training_arithmetic(quantized: QuantResult, feature_blobs) -> None:
    x = feature_blobs(20, seed=4).x
    c = HostModel(compile_graph(quantized.graph, HOST))
    emitted = np.concatenate([c.invoke(window[None, :, :, None]).reshape(1, -1) for window in x])
    (softmax,) = (node for node in quantized.graph.nodes if node.name == "softmax")
    logits = quantized.graph.type(softmax.inputs[0])
    with torch.no_grad():
        trained = quantized.qat_module.values(dequantize(x, QUANT))["classifier"]
    steps = (trained.steps + trained.zero_point).to(torch.int8).numpy()
    assert np.array_equal(emitted, softmax.op.reference(steps, types=(logits,))[0])


def test_training_mode_computes_the_same_integers(quantized: QuantResult, feature_blobs) -> None:
    x = dequantize(feature_blobs(20, seed=4).x, QUANT)
    network = quantized.qat_module
    with torch.no_grad():
        expected = network.eval()(x)
    assert torch.equal(network.train()(x).detach(), expected)
    network.eval()


def test_int8_decides_as_float(trained, quantized: QuantResult, feature_blobs) -> None:
    report = quantized.report
    assert report["agreement"] >= 0.97 and report["float_accuracy"] > 0.9
    assert report["int8_accuracy"] >= report["float_accuracy"] - 0.005
    assert len(report["history"]) == report["steps"] == 25
    test = feature_blobs(300, seed=5)
    probabilities = interpret(quantized.graph, test.x[..., None])[0]
    accuracy = float(np.mean(probabilities.argmax(axis=1) == test.y))
    assert abs(accuracy - evaluate(trained, test, input_quant=QUANT).accuracy) <= 0.01


def test_float_answers(trained, feature_blobs, tmp_path: Path) -> None:
    test = feature_blobs(50, seed=5)
    save_float_answers(trained, test, tmp_path / "answers.npz", input_quant=QUANT)
    with np.load(tmp_path / "answers.npz") as answers:
        accuracy = float(np.mean(answers["predicted"] == test.y))
    assert accuracy == evaluate(trained, test, input_quant=QUANT).accuracy


def test_folding_keeps_the_function(trained, feature_blobs) -> None:
    network = QatNetwork.of(trained.eval(), QUANT, (1, 49, 40))
    x = dequantize(feature_blobs(30, seed=6).x, QUANT)
    with torch.no_grad():
        assert torch.allclose(network.real(x), trained(x), atol=1e-4)


def test_gradients_follow_the_float_network(quantized: QuantResult, feature_blobs) -> None:
    """The straight-through gradient points where the folded float network's points."""
    network, examples = quantized.qat_module, feature_blobs(64, seed=7)
    x, y = dequantize(examples.x, QUANT), torch.from_numpy(examples.y)
    gradients = []
    for logits in (network(x), network.real(x)):
        network.zero_grad()
        functional.cross_entropy(logits, y).backward()
        gradients.append([p.grad.flatten().clone() for p in network.parameters() if p.ndim > 1])
    network.zero_grad()
    for ours, real in zip(*gradients, strict=True):
        assert functional.cosine_similarity(ours, real, dim=0) > 0.8


class Branches(nn.Module):
    """Residual addition, ReLU6, valid and same padding, dilation, average pool, flattened map, wide linear."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm = nn.Conv2d(1, 8, (4, 3), stride=(2, 2), padding=(1, 2)), nn.BatchNorm2d(8)
        self.depthwise = nn.Conv2d(8, 8, (3, 2), padding="same", groups=8, dilation=(2, 1))
        self.pointwise, self.pool = nn.Conv2d(8, 8, 1, bias=False), nn.AvgPool2d((4, 3), (3, 3))
        self.hidden, self.classifier = nn.Linear(8 * 7 * 7, 12), nn.Linear(12, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.relu6(self.norm(self.stem(x)))
        x = functional.relu(x + self.pointwise(functional.relu(self.depthwise(x))))
        return self.classifier(torch.relu(self.hidden(self.pool(x).flatten(1))))


class ConvolutionalHead(nn.Module):
    """A global mean followed by convolutions: the lowering has to restore its map."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.left, self.right = nn.Conv2d(2, 6, 5, 3), nn.Conv2d(6, 5, 1), nn.Conv2d(6, 5, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x).mean((2, 3), keepdim=True)
        return torch.flatten(self.left(x) + self.right(x), 1)


def wide_linear() -> nn.Module:
    """1960 inputs: accumulators beyond what float32 holds exactly."""
    return nn.Sequential(nn.Flatten(), nn.Linear(1960, 16), nn.ReLU(), nn.Linear(16, 4))


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@pytest.mark.parametrize(
    ("make", "channels"), [(Branches, 1), (ConvolutionalHead, 2), (wide_linear, 1)], ids=lambda v: str(v)[:24]
)
def test_every_lowerable_layer_is_exact(make, channels: int, feature_blobs, tmp_path: Path) -> None:
    torch.manual_seed(3)
    network = QatNetwork.of(make().eval(), QuantParams((0.37,), 11), (channels, 49, 40))
    x = feature_blobs(40, seed=8).x
    windows = dequantize(x, network.input_quant).expand(-1, channels, -1, -1)
    network.calibrate([windows])
    graph = lower(network)
    assert_equal_integers(network, graph, np.concatenate([x, np.full((1, 49, 40), -128, np.int8)]))
    assert_onnx_agrees(graph, x[:, None].repeat(channels, axis=1), tmp_path)


def assert_onnx_agrees(graph: Graph, x: np.ndarray, folder: Path) -> None:
    """onnxruntime on int8 windows [N, C, H, W]: same class for 99.5 %, and close probabilities."""
    import onnxruntime

    write_qdq_onnx(graph, folder / "model.onnx")
    session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
    quant = graph.type(graph.inputs[0]).quant
    real = ((x.astype(np.float32) - quant.zero_point) * np.float32(quant.scale)).astype(np.float32)
    (name,) = (i.name for i in session.get_inputs())
    theirs = np.concatenate([session.run(None, {name: window[None]})[0] for window in real])
    ours = interpret(graph, x.transpose(0, 2, 3, 1))[0].astype(np.int64) + 128
    assert np.mean(theirs.argmax(axis=1) == ours.argmax(axis=1)) >= 0.995
    assert np.quantile(np.abs(theirs * 256 - ours), 0.99) <= 4


def test_the_temporal_resnet_is_exact(feature_blobs) -> None:
    model, train = build("temporal_resnet", (49, 40), 4, width_mult=0.5), feature_blobs(100, seed=1)
    fit(model, train, train, TrainConfig(steps=5, batch_size=32, threads=1), input_quant=QUANT)
    result = quantize(model, train, train, QuantConfig(steps=2, batch_size=32, threads=1), input_quant=QUANT)
    assert_equal_integers(result.qat_module, result.graph, feature_blobs(40, seed=2).x)


def test_onnx_twin_agrees(quantized: QuantResult, feature_blobs, tmp_path: Path) -> None:
    assert_onnx_agrees(quantized.graph, feature_blobs(400, seed=9).x[:, None], tmp_path)
    assert [f.name for f in tmp_path.iterdir()] == ["model.onnx"]


def test_dead_and_outsized_channels_stay_exact(feature_blobs) -> None:
    """Zero weights, zero outputs and a bias out of all proportion leave valid scales and exact integers."""
    model = nn.Sequential(nn.Conv2d(1, 4, 3, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))
    with torch.no_grad():
        model[0].weight[0] = 0
        model[0].bias[:] = torch.tensor([0.0, 5e5, -5e5, 0.1])
        model[0].weight[2] *= 1e-9
        model[4].weight.zero_()
        model[4].bias.zero_()
    network = QatNetwork.of(model.eval(), QUANT, (1, 49, 40))
    x = feature_blobs(20, seed=8).x
    network.calibrate([dequantize(x, QUANT)])
    assert_equal_integers(network, lower(network), x)


def test_killed_and_resumed_equals_uninterrupted(trained, feature_blobs, tmp_path: Path) -> None:
    train, val = feature_blobs(100, seed=1), feature_blobs(40, seed=2)
    config = QuantConfig(steps=7, batch_size=16, checkpoint_every=3, threads=1)

    class Killed(Exception):
        pass

    def kill(what: str, done: int, total: int) -> None:
        if done == 5:
            raise Killed

    whole = quantize(trained, train, val, config, input_quant=QUANT)
    with pytest.raises(Killed):
        quantize(trained, train, val, config, input_quant=QUANT, checkpoint_dir=tmp_path, progress=kill)
    done: list[int] = []
    resumed = quantize(trained, train, val, config, input_quant=QUANT, checkpoint_dir=tmp_path,
                       progress=lambda what, step, total: done.append(step))  # fmt: skip
    assert done[0] == 4
    assert resumed.report == whole.report
    assert resumed.graph.consts == whole.graph.consts and resumed.graph.nodes == whole.graph.nodes


def test_unsupported_layers_and_bad_configuration(feature_blobs) -> None:
    examples = feature_blobs(20, seed=1)
    with pytest.raises(ProjectError, match="Tanh"):
        quantize(nn.Sequential(nn.Flatten(), nn.Linear(1960, 4), nn.Tanh()), examples, examples, input_quant=QUANT)
    with pytest.raises(ProjectError, match="steps"):
        QuantConfig(steps=-1)
