"""The drawing of a network with its SRAM by layer, and its description in a line."""

from __future__ import annotations

import numpy as np
import pytest
from tests.search_records import CLASSES, audio_space, image_space

from tinyml.architecture.weightless import graph
from tinyml.board import Isa, load_board
from tinyml.compiler import network_cost
from tinyml.nas.space import architecture, extreme, sample
from tinyml.report.network_figure import StepUse, memory_use, network_drawing
from tinyml.report.search_facts import described
from tinyml.report.theme import LIGHT


@pytest.fixture(scope="module")
def isa() -> Isa:
    return load_board("nrf52840").isa


def test_bytes_in_use_are_those_of_the_compiler(isa: Isa) -> None:
    rng = np.random.default_rng(3)
    for space in (audio_space(), image_space(3, 3)):
        arch = architecture(space, sample(space, rng), CLASSES)
        uses = memory_use(arch, isa)
        names = [name for use in uses for name in use.layers]
        assert set(names) <= {layer.name for layer in arch.layers} | {"softmax"} and len(set(names)) == len(names)
        if all(len(use.layers) == 1 for use in uses):
            # every tensor that is live is kept in whole words
            assert 0 <= network_cost(graph(arch), isa).arena_bytes - max(use.used_bytes for use in uses) < 16


def test_drawing_shows_every_layer_and_every_byte(isa: Isa) -> None:
    space = image_space()
    arch = architecture(space, extreme(space, largest=True, geometry=3, width=3), CLASSES)
    uses = memory_use(arch, isa)
    figure = network_drawing(arch, uses, 200_000, LIGHT)
    drawings, bars = figure.axes[0::2], figure.axes[1::2]
    assert len(drawings) == 3, "24 blocks do not fit in one row"
    slabs = [p for axes in drawings for p in axes.patches if type(p).__name__ == "Rectangle"]
    assert len(slabs) == len(arch.layers)
    heights = [p.get_height() for axes in bars for p in axes.patches]
    layers = {layer.name for layer in arch.layers}
    np.testing.assert_allclose(heights, [u.used_bytes / 1000 for u in uses if layers & set(u.layers)])
    texts = " ".join(t.get_text() for axes in drawings for t in axes.texts)
    for text in ("3x3\ns2", "7x7\ne6", "48x48", "12\nclasses"):
        assert text in texts, text
    peak = max(u.used_bytes for u in uses)
    assert f"{peak:,}" in [t.get_text() for axes in bars for t in axes.texts]


def test_a_chain_is_one_bar_under_its_layers() -> None:
    space = audio_space()
    arch = architecture(space, extreme(space, largest=False, geometry=0, width=0), CLASSES)
    names = [layer.name for layer in arch.layers]
    uses = (StepUse(tuple(names[:3]), 3000), *(StepUse((name,), 1000) for name in names[3:]))
    bars = network_drawing(arch, uses, None, LIGHT).axes[1].patches
    assert len(bars) == len(names) - 2
    assert bars[0].get_hatch() and not bars[1].get_hatch()
    assert bars[0].get_width() > 2.5 * bars[1].get_width()


def test_networks_read_as_they_are_built() -> None:
    space = image_space()
    genome = extreme(space, largest=False, geometry=0, width=8)
    text = described(space, genome).replace("\u00a0", " ")
    assert text.startswith("48x48x3, width 1 | 3x3 | 16: 3x3 e3, 3x3 e3 | 24: ")
    audio = audio_space()
    text = described(audio, extreme(audio, largest=True, geometry=1, width=2))
    assert text == ("20 mel x 49 frames of 20 ms, width 1 | 9x5 | 40: 5x5, 5x5 | 60: 7x3, 7x3, 7x3 | "
                    "80: 9x3, 9x3, 9x3")  # fmt: skip
