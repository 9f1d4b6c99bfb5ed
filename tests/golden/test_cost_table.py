"""The checked-in cost table against measurements: layers that it was made from, layers that it has not seen."""

from __future__ import annotations

from pathlib import Path
from statistics import median

import bare_board
import pytest

from tinyml.bench.variant_fit import fit
from tinyml.bench.variant_image import measure_layers
from tinyml.bench.variant_layers import variant_layers
from tinyml.bench.variant_table import sample, works
from tinyml.ops.cost_table import CostTable, FrameCode, cost_table
from tinyml.ops.timing import Work

BOARD = bare_board.cortex_m4()
SEEN = ("fully_connected_s8_dsp_tensor", "depthwise3x3s1_s8_dsp_fixed_double", "average_pool2d_s8_dsp")
UNSEEN = ("conv2d_1x1_s8_dsp", "conv2d_columns_s8_dsp_signed", "conv2d_run9_s8_dsp", "depthwise_wide5s1_s8_dsp_double",
          "conv2d_pixels_s8_dsp_short", "add_s8_halves")  # fmt: skip
MOST = 6  # layers of an image


def test_every_variant_is_in_the_table() -> None:
    """A new kernel needs layers in variant_layers.py and `make cost-table`."""
    table, layers = cost_table(), variant_layers(BOARD.isa)
    assert set(layers) == set(table.variants)
    families = {work.family for found in layers.values() for work, _ in works([(found[0], 1)])}
    assert families == set(table.cycles)


@pytest.mark.parametrize("name", SEEN)
def test_the_table_is_what_would_be_measured_now(name: str, tmp_path: Path) -> None:
    layers = [layer for layer in sample(variant_layers(BOARD.isa)[name]) if not layer.by_rows][:MOST]
    image = measure_layers(layers, BOARD, "zig", tmp_path)
    for work, cycles in works(zip(layers, image.cycles, strict=True)):
        assert work.cycles == pytest.approx(cycles, rel=0.01)
    code = cost_table().code(name)
    assert set(image.code.functions) == set(code.functions)
    assert sum(image.code.functions.values()) == pytest.approx(sum(code.functions.values()), rel=0.05)


@pytest.mark.parametrize("name", UNSEEN)
def test_layers_of_other_shapes_are_estimated(name: str, tmp_path: Path) -> None:
    layers = sample(variant_layers(BOARD.isa, seed=8)[name])
    image = measure_layers(layers, BOARD, "zig", tmp_path)
    errors = [abs(work.cycles / cycles - 1) for work, cycles in works(zip(layers, image.cycles, strict=True))]
    assert median(errors) < 0.02
    assert max(errors) < 0.1


def test_a_fit_finds_the_cycles_of_parts() -> None:
    layers = [(Work("kernel", {"call": 1, "tile": tiles, "never": 0}), 40 + 7 * tiles) for tiles in (1, 10, 500)]
    found = fit(layers)
    assert found.cycles == pytest.approx({"call": 40, "tile": 7})
    assert found.worst_percent < 0.1


def test_parts_never_take_less_than_nothing() -> None:
    layers = [(Work("kernel", {"call": 1, "tile": tiles}), 100 + 10 * tiles - 3 * (tiles > 20)) for tiles in (1, 9, 21)]
    assert all(value > 0 for value in fit(layers).cycles.values())


def test_what_was_never_measured_is_guessed_high() -> None:
    empty = CostTable({}, FrameCode(0, 0, 0, 0, 0), {})
    assert empty.cycles_of("new", {"mac": 100}) > 13 * 100
    assert empty.code_bytes({"new"}) == 600
