"""Budgets are what the image really leaves: a network that fills one exactly is linked into exactly that."""

from __future__ import annotations

from pathlib import Path

import pytest

from tinyml.application import app_config
from tinyml.architecture import weightless
from tinyml.artifacts import Stages, Store
from tinyml.board import load_board
from tinyml.budgets import FLASH_MARGIN, REFERENCE_BOARD, Budgets
from tinyml.compiler import compile_graph, write
from tinyml.compiler.cost import network_cost
from tinyml.errors import no_announcement
from tinyml.features import write_c
from tinyml.features.cost import CYCLES_PER_HOP
from tinyml.firmware import Image, build
from tinyml.limits import estimate_load
from tinyml.nas.space import architecture, extreme
from tinyml.nas.space_file import read_space
from tinyml.project import features_of, load_config
from tinyml.resources import apps_dir
from tinyml.stage_keys import log_mel_spec

APP, SPACE = apps_dir() / "kws", read_space(Path(__file__).resolve().parents[1] / "tiny_space.toml")
CONFIG = load_config(APP)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("budgets") / "build")


def budgets(store: Store, board: str = "nrf52840", **sections: dict[str, object]) -> Budgets:
    stages = Stages(store, no_announcement)
    return Budgets(CONFIG.override(**sections), load_board(board), SPACE, APP, stages)


def largest_image(geometry: int, folder: Path) -> tuple[Image, int]:
    """The application around the largest network of a geometry; flash bytes that its cost foretells."""
    board = load_board("nrf52840")
    config = CONFIG.override(features=features_of(SPACE.geometries[geometry], "tiny"))
    genome = extreme(SPACE, largest=True, geometry=geometry, width=1)
    arch = architecture(SPACE, genome, len(config.labels))
    model = write(compile_graph(weightless.graph(arch, seed=1), board.isa), folder / "model")
    image = build(board, "zig", APP / "firmware", write_c(log_mel_spec(config.features), folder / "features"), model,
                  app_config(config, "1" * 64), folder)  # fmt: skip
    return image, network_cost(weightless.graph(arch), board.isa, rows=True).flash_bytes


@pytest.mark.parametrize("geometry", [0, 1])
def test_what_surrounds_one_network_surrounds_another(store: Store, tmp_path: Path, geometry: int) -> None:
    around, board = budgets(store).surroundings[geometry], load_board("nrf52840")
    image, network_flash = largest_image(geometry, tmp_path)
    arena = next(s.size_bytes for s in image.sections if s.name == ".arena")
    assert around.data_bytes + around.dma_bytes + board.stack_bytes + arena == image.ram_bytes
    foretold = around.flash_bytes + network_flash
    assert abs(foretold - image.flash_bytes) <= FLASH_MARGIN * network_flash


def test_the_tightest_limit_counts(store: Store) -> None:
    free = budgets(store, limits={"ram_bytes": None, "flash_bytes": None, "latency_ms": None, "duty": None}).measured()
    whole, around = budgets(store).measured(), budgets(store).surroundings
    board = load_board("nrf52840")
    rest = around[0].data_bytes + around[0].dma_bytes + board.stack_bytes
    assert free[0].ram_bytes == board.ram_bytes - rest
    assert whole[0].ram_bytes == CONFIG.limits.ram_bytes - rest
    tight = budgets(store, search={"ram_bytes": 40 * 1024, "flash_bytes": 65536, "latency_ms": 20.0}).measured()[0]
    assert tight.ram_bytes == 40 * 1024 - rest
    assert tight.flash_bytes == int((65536 - around[0].flash_bytes) * (1 - FLASH_MARGIN))
    assert board.milliseconds(tight.cycles) <= 20 < board.milliseconds(tight.cycles + 1)


@pytest.mark.parametrize("geometry", [0, 1])
def test_a_network_at_the_budget_keeps_the_duty(store: Store, geometry: int) -> None:
    found = budgets(store, limits={"latency_ms": None, "duty": 0.5})
    cycles, board = found.measured()[geometry].cycles, found.board
    config = CONFIG.override(features=features_of(SPACE.geometries[geometry], "tiny"))
    assert estimate_load(config, board, cycles, CYCLES_PER_HOP).duty <= 0.5
    assert estimate_load(config, board, cycles + 1, CYCLES_PER_HOP).duty > 0.5


def test_a_board_without_firmware_is_measured_on_another(store: Store) -> None:
    for name in ("stm32f412", "nucleo_h743zi"):
        found = budgets(store, name, limits={"ram_bytes": None})
        assert not found.board.has_firmware and found.surroundings[0].board == REFERENCE_BOARD
        around = found.surroundings[0]
        left = found.board.arena_left(data_bytes=around.data_bytes, dma_bytes=around.dma_bytes)
        assert found.measured()[0].ram_bytes == left > 0


def test_they_are_measured_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    first = budgets(store).measured()
    monkeypatch.setattr(Budgets, "_measure", lambda *_: pytest.fail("measured again"))
    assert budgets(store).measured() == first
    with pytest.raises(pytest.fail.Exception, match="measured again"):
        budgets(store, detect={"trace": True}).measured()
