"""The networks and the tracer that decides what the engine can run."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional

from tinyml.errors import ProjectError
from tinyml.models import build, count_macs, ds_cnn, load_module, temporal_resnet, trace_layers

SHAPE = (1, 49, 40)


def test_ds_cnn_fits_five_inferences_a_second() -> None:
    assert 1_000_000 < count_macs(ds_cnn(classes=12), SHAPE) <= 1_400_000


def test_count_macs_by_hand() -> None:
    net = nn.Sequential(nn.Conv2d(1, 8, (3, 5), stride=2, padding=1), nn.Conv2d(8, 8, 3, groups=8), nn.Flatten(),
                        nn.Linear(8 * 23 * 17, 3))  # fmt: skip
    assert count_macs(net, SHAPE) == 25 * 19 * 15 * 8 + 23 * 17 * 9 * 8 + 8 * 23 * 17 * 3


def test_width_and_depth() -> None:
    assert count_macs(ds_cnn(width_mult=0.5), SHAPE) < 0.5 * count_macs(ds_cnn(), SHAPE)
    assert count_macs(ds_cnn(depth=2), SHAPE) < count_macs(ds_cnn(), SHAPE) < count_macs(ds_cnn(depth=9), SHAPE)
    with pytest.raises(ProjectError, match="width_mult"):
        ds_cnn(width_mult=0)


def test_temporal_resnet_is_one_dimensional_behind_its_stem() -> None:
    layers = {layer.name: layer for layer in trace_layers(build("temporal_resnet", (49, 40), 12), SHAPE)}
    assert layers["stem"].shape == (16, 49, 1) and layers["stem"].module.kernel_size == (3, 40)
    assert [layers[f"body_{i}_add"].shape for i in range(3)] == [(24, 25, 1), (32, 13, 1), (48, 7, 1)]
    assert layers["body_1_add"].inputs == ("body_1_second", "body_1_shortcut") and layers["body_1_add"].clamp
    assert layers["classifier"].shape == (12,)
    by_hand = 49 * 120 * 16 + 48 * 12
    for time, inputs, outputs in ((25, 16, 24), (13, 24, 32), (7, 32, 48)):
        by_hand += time * outputs * (inputs + 9 * inputs + 9 * outputs)
    assert count_macs(temporal_resnet(), SHAPE) == by_hand < 900_000
    deeper = trace_layers(temporal_resnet((33, 24), 5, width_mult=0.5, depth=5), (1, 33, 24))
    assert deeper[-4].name == "body_4_add" and deeper[-4].inputs[1] == "body_3_add", "added blocks have no shortcut"
    assert count_macs(temporal_resnet(width_mult=2), SHAPE) > 3 * by_hand > 3 * count_macs(
        temporal_resnet(depth=2), SHAPE)  # fmt: skip
    with pytest.raises(ProjectError, match="width_mult"):
        temporal_resnet(width_mult=0)


def test_build_is_seeded_and_knows_its_names() -> None:
    first, again = (build("ds_cnn", (49, 40), 5, seed=7).state_dict() for _ in range(2))
    assert all(torch.equal(v, again[k]) for k, v in first.items())
    with pytest.raises(ProjectError) as caught:
        build("ds_cn", (49, 40), 5)
    assert "ds_cnn" in caught.value.hint


class Residual(nn.Module):
    """Residual block with functional activations, an average pool and a non-global flatten."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(1, 8, 3, stride=2, padding="valid"), nn.BatchNorm2d(8)
        self.conv2, self.norm2 = nn.Conv2d(8, 8, (3, 1), padding="same", groups=8), nn.BatchNorm2d(8)
        self.pool, self.classifier = nn.AvgPool2d((4, 3)), nn.Linear(8 * 6 * 6, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.relu(self.norm1(self.conv1(x)))
        x = torch.relu(x + self.norm2(self.conv2(x)))
        return self.classifier(torch.flatten(self.pool(x), 1))


def test_tracing_fuses_norms_and_activations() -> None:
    layers = trace_layers(Residual(), SHAPE)
    assert [layer.kind for layer in layers] == ["conv", "conv", "add", "average_pool", "flatten", "linear"]
    assert [layer.norm is not None for layer in layers[:2]] == [True, True]
    assert layers[0].clamp == (0.0, float("inf")) and layers[1].clamp is None and layers[2].clamp is not None
    assert layers[2].inputs == (layers[0].name, layers[1].name)
    assert layers[0].shape == (8, 24, 19) and layers[-1].shape == (4,)


class DataDependent(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x if x.sum() > 0 else -x


class UsesTwice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 1, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(self.conv(x)).mean((2, 3))


HEAD = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4))


@pytest.mark.parametrize(
    ("module", "named"),
    [
        (nn.Sequential(nn.Conv2d(1, 8, 3), nn.GELU(), *HEAD), "GELU"),
        (nn.Sequential(nn.Conv2d(1, 8, 3), nn.MaxPool2d(2), *HEAD), "MaxPool2d"),
        (nn.Sequential(nn.Conv2d(1, 8, 3), nn.Conv2d(8, 8, 3, groups=2), *HEAD), "groups=2"),
        (nn.Sequential(nn.Conv2d(1, 8, 3, padding=1, padding_mode="reflect"), *HEAD), "reflect"),
        (nn.Sequential(nn.BatchNorm2d(1), nn.Conv2d(1, 8, 3), *HEAD), "BatchNorm2d"),
        (nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.BatchNorm2d(8), *HEAD), "BatchNorm2d"),
        (nn.Sequential(nn.Conv2d(1, 8, 3), nn.AvgPool2d(3, padding=1), *HEAD), "AvgPool2d"),
        (nn.Sequential(nn.Conv2d(1, 2, 3), nn.AdaptiveAvgPool2d(2), *HEAD[1:]), "AdaptiveAvgPool2d"),
        (nn.Sequential(nn.Conv2d(1, 8, 3)), "scores"),
        (nn.Sequential(nn.Linear(40, 4), nn.Flatten()), "Linear"),
        (UsesTwice(), "twice"),
        (DataDependent(), "traced"),
    ],
)  # fmt: skip
def test_what_the_engine_cannot_run_is_named(module: nn.Module, named: str) -> None:
    with pytest.raises(ProjectError, match=named) as caught:
        trace_layers(module, SHAPE)
    assert any("Conv2d" in line for line in caught.value.details), "the error lists what is supported"


def write_model(folder: Path, body: str) -> None:
    (folder / "model.py").write_text("from torch import nn\n" + body)


def test_load_module_builds_a_projects_network(tmp_path: Path) -> None:
    layers = "nn.Conv2d(1, 8, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, classes)"
    write_model(tmp_path, f"def build(input_shape, classes):\n    return nn.Sequential({layers})\n")
    assert load_module(tmp_path, "model.py:build", (49, 40), 6)(torch.zeros(2, 1, 49, 40)).shape == (2, 6)


@pytest.mark.parametrize(
    ("result", "reference", "message"),
    [
        ("nn.Sequential(nn.Flatten(), nn.Linear(1960, 3))", "model.py:build", "3 scores"),
        ("nn.Sequential(nn.Flatten(), nn.Linear(9, 6))", "model.py:build", "shape"),
        ("nn.Sequential(nn.Flatten(), nn.LSTM(3, 4))", "model.py:build", "LSTM"),
        ("3", "model.py:build", "returned int"),
        ("1 / 0", "model.py:build", "ZeroDivisionError"),
        ("(", "model.py:build", "SyntaxError"),
        ("3", "model.py:missing", "no function"),
        ("3", "model.py:narrow", "must accept"),
        ("3", "model.py", "not of the form"),
        ("3", "other.py:build", "does not exist"),
    ],
)
def test_load_module_errors(tmp_path: Path, result: str, reference: str, message: str) -> None:
    write_model(tmp_path, f"def build(input_shape, classes): return {result}\ndef narrow(): return 3\n")
    with pytest.raises(ProjectError, match=message):
        load_module(tmp_path, reference, (49, 40), 6)


def test_a_network_of_ones_own_is_drawn_from_the_seed(tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text(
        "from torch import nn\n"
        "def build(input_shape, classes):\n"
        "    return nn.Sequential(nn.Conv2d(1, 4, 3, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),\n"
        "                         nn.Linear(4, classes))\n"
    )
    first, again, other = (load_module(tmp_path, "model.py:build", (49, 40), 3, seed=s) for s in (1, 1, 2))
    weights = [module[0].weight for module in (first, again, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
