"""The supernet: its networks are the plain ones, its channels can be sorted, its kernels lie in each other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.tiny_spaces import ALL, INVERTED, QUANT, SPECTROGRAMS, TEMPORAL, VISION, examples
from torch import nn

from tinyml.architecture import Architecture, Block, Geometry, Stem
from tinyml.models import build, build_architecture, count_macs, trace_layers
from tinyml.models.ds_cnn import BLOCKS, STEM_CHANNELS
from tinyml.models.elastic import ElasticConv
from tinyml.nas.space import Genome, SearchSpace, architecture, extreme, sample
from tinyml.nas.supernet import Supernet
from tinyml.quant.quantize import QuantConfig, quantize

pytestmark = pytest.mark.usefixtures("one_thread")
BY_NAME = pytest.mark.parametrize("space", ALL, ids=lambda space: space.name)


def inputs(space: SearchSpace, genome: Genome, count: int = 4) -> torch.Tensor:
    height, width, channels = space.geometries[genome.geometry].shape
    return torch.randn(count, channels, height, width, generator=torch.Generator().manual_seed(1))


def drawn(space: SearchSpace, count: int) -> list[Genome]:
    rng = np.random.default_rng(0)
    return [sample(space, rng) for _ in range(count)]


def worn(space: SearchSpace) -> Supernet:
    """A supernet whose batch norms are as uneven as those of a trained one, in evaluation mode."""
    torch.manual_seed(0)
    supernet = Supernet(space, 3, space.spaces)
    for norm in (m for m in supernet.modules() if isinstance(m, nn.BatchNorm2d)):
        nn.init.uniform_(norm.weight, 0.2, 2), nn.init.normal_(norm.bias)
        nn.init.normal_(norm.running_mean, std=0.2), nn.init.uniform_(norm.running_var, 0.5, 2)
    return supernet.eval()


@BY_NAME
def test_plain_networks_are_their_architectures(space: SearchSpace) -> None:
    for genome in drawn(space, 12):
        arch = architecture(space, genome, 3)
        height, width, channels = arch.geometry.shape
        network = build_architecture(arch, seed=2)
        layers = trace_layers(network, (channels, height, width))
        named = [(layer.name, layer.inputs, layer.shape) for layer in layers if layer.kind != "flatten"]
        expected = [(layer.name, layer.inputs, (*layer.shape[2:], *layer.shape[:2]) if layer.kind != "mean"
                     else (layer.shape[0], 1, 1)) for layer in arch.layers[:-1]]  # fmt: skip
        assert named[:-1] == expected and layers[-1].name == "classifier" and layers[-1].shape == (3,)
        assert count_macs(network, (channels, height, width)) == arch.macs
        again = build_architecture(arch, seed=2).state_dict()
        assert all(torch.equal(v, again[k]) for k, v in network.state_dict().items())


def test_plain_networks_start_as_hand_made_ones_do() -> None:
    """Of the same layers the same first weights: the recipe, which is common to both, depends on their scale."""
    hand_made = build("ds_cnn", (49, 40), 12)
    blocks = tuple(Block((3, 3), stride, 0, channels, residual=False, relu=True) for channels, stride in BLOCKS)
    stem = Stem(STEM_CHANNELS, (5, 5), (2, 2))
    searched = build_architecture(Architecture(Geometry(49, 40, 1, 20.0), 12, stem, blocks, head_channels=0))
    own, expected = (list(network.state_dict().values()) for network in (searched, hand_made))
    assert all(torch.equal(a, b) for a, b in zip(own, expected, strict=True))


@pytest.mark.parametrize("space", (SPECTROGRAMS, INVERTED, VISION), ids=lambda space: space.name)
def test_plain_networks_are_lowered_under_their_layers_names(space: SearchSpace) -> None:
    arch = architecture(space, extreme(space, largest=True, geometry=0, width=0), 3)
    data = examples(space, 40, seed=0)[0]
    graph = quantize(build_architecture(arch).eval(), data, data, QuantConfig(steps=0), input_quant=QUANT).graph
    assert [node.name for node in graph.nodes] == [layer.name for layer in arch.layers] + ["softmax"]


@BY_NAME
def test_a_subnet_computes_what_the_supernet_does(space: SearchSpace) -> None:
    supernet = worn(space)
    for genome in drawn(space, 20):
        plain, x = supernet.subnet(genome), inputs(space, genome)
        assert not plain.training
        torch.testing.assert_close(plain(x), supernet(x, genome), rtol=1e-4, atol=1e-4)
        with torch.no_grad():
            for parameter in plain.parameters():
                parameter.zero_()
        assert supernet(x, genome).abs().sum() > 0, "its weights are copies"


@BY_NAME
def test_sorting_channels_keeps_the_largest_networks_function(space: SearchSpace) -> None:
    supernet = worn(space)
    genomes = [supernet.largest(index) for index in range(len(space.geometries))]
    smallest = extreme(space, largest=False, geometry=0, width=0)
    small = supernet(inputs(space, smallest), smallest)
    before = [supernet(inputs(space, genome), genome) for genome in genomes]
    supernet.sort_channels()
    for genome, expected in zip(genomes, before, strict=True):
        torch.testing.assert_close(supernet(inputs(space, genome), genome), expected, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(supernet(inputs(space, smallest), smallest), small), "small networks have other channels"


@BY_NAME
def test_the_most_important_channel_comes_first_on_every_axis(space: SearchSpace) -> None:
    supernet = worn(space)
    with torch.no_grad():
        for norm in (m for m in supernet.modules() if isinstance(m, nn.BatchNorm2d)):
            norm.weight[-1] = 50.0
    supernet.sort_channels()
    for name, norm in supernet.named_modules():
        if isinstance(norm, nn.BatchNorm2d):
            assert norm.weight[0] == 50, name


def test_all_networks_share_weights() -> None:
    supernet = Supernet(SPECTROGRAMS, 3, SPECTROGRAMS.spaces)
    largest = supernet.subnet(supernet.largest(0))
    assert sum(p.numel() for p in supernet.parameters()) == sum(p.numel() for p in largest.parameters())
    assert list(Supernet(TEMPORAL, 3, TEMPORAL.spaces).stems) == ["20x1", "12x1"]
    narrow = Supernet(SPECTROGRAMS, 3, ((0, 0), (1, 0)))
    assert narrow.stem_norm.num_features == 4, "a supernet is no wider than its spaces"


def test_kernels_lie_centred_in_larger_ones() -> None:
    conv = ElasticConv(1, 2, (9, 5), depthwise=True)
    nn.init.zeros_(conv.weight)
    with torch.no_grad():
        conv.weight[:, 0, 4, 2] = torch.tensor([3.0, 5.0])
    x = torch.randn(1, 2, 6, 7)
    for kernel in ((9, 5), (3, 1), (1, 3), (5, 5)):
        padding = (kernel[0] // 2, kernel[1] // 2)
        torch.testing.assert_close(conv(x, 2, kernel, (1, 1), padding), x * torch.tensor([3.0, 5.0])[:, None, None])
    conv.weight.data[:] = torch.arange(45.0).view(9, 5)
    assert conv.active(2, 1, (3, 3))[0, 0].tolist() == [[16, 17, 18], [21, 22, 23], [26, 27, 28]]


def test_blocks_that_add_their_input_start_as_the_identity() -> None:
    torch.manual_seed(0)
    supernet = Supernet(SPECTROGRAMS, 3, SPECTROGRAMS.spaces).eval()
    first, second = supernet.largest(0), replace(supernet.largest(0), depths=(1, 0))
    kernels, expansions = first.kernels, first.expansions
    second = replace(second, kernels=(kernels[0], kernels[1][:1]), expansions=expansions)
    x = inputs(SPECTROGRAMS, first)
    torch.testing.assert_close(supernet(x, first), supernet(x, second))
    shorter = replace(second, depths=(0, 0), kernels=(kernels[0][:1], kernels[1][:1]))
    assert not torch.allclose(supernet(x, first), supernet(x, shorter)), "the first stage has no additions"
