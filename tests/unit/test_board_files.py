"""The boards that ship, and boards of a project's own."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path

import pytest

from tinyml.board import list_boards, load_board
from tinyml.errors import ProjectError
from tinyml.resources import board_support_dir


def test_every_board_loads_and_names_files_that_exist() -> None:
    for name in list_boards():
        board = load_board(name)
        assert board.name == name
        assert all(p.is_file() and p.is_absolute() for p in board.c_sources)
        assert all(p.is_dir() for p in board.c_include_dirs)
        assert (board_support_dir() / "boards" / name / "README.md").is_file()
        assert pickle.loads(pickle.dumps(board)) == board


def test_nrf52840_is_what_the_manual_says() -> None:
    board = load_board("nrf52840")
    assert (board.flash_bytes, board.ram_bytes, board.cpu_hz) == (1024 * 1024, 256 * 1024, 64_000_000)
    assert board.memory("flash").origin == 0 and board.memory("ram").origin == 0x2000_0000
    assert not board.memory("flash").dma and board.memory("ram").dma
    assert (board.isa.name, board.isa.dsp, board.isa.fpu) == ("armv7em", True, True)
    assert board.status == "simulated" and board.svd == "nrf52840.svd"
    assert "BOARD_MICROPHONE_CLK_PIN=30" in board.c_defines and "BOARD_LED_ACTIVE_LOW=1" in board.c_defines
    assert board.deploy["uf2_family"] == 0xADA52840
    assert board.milliseconds(64_000) == pytest.approx(board.time_factor)


def test_host_is_native() -> None:
    board = load_board("host")
    assert board.status == "native" and board.isa.target == "" and not board.isa.dsp


def test_uf2_images_get_the_flash_the_bootloader_leaves() -> None:
    board = load_board("nrf52840").for_uf2()
    assert board.memory("flash").origin == 0x26000
    assert board.flash_bytes == 0xAD000 - 0x26000
    assert board.memory("ram") == load_board("nrf52840").memory("ram")
    with pytest.raises(ProjectError, match="no UF2 bootloader"):
        load_board("host").for_uf2()


def test_a_project_brings_its_own_board(tmp_path: Path) -> None:
    folder = tmp_path / "boards" / "badge"
    shutil.copytree(board_support_dir() / "boards" / "nrf52840", folder)
    text = (folder / "board.toml").read_text()
    text = text.replace('name = "nrf52840"', 'name = "badge"', 1).replace("clk_pin = 30", "clk_pin = 7")
    (folder / "board.toml").write_text(text)
    assert "badge" in list_boards([tmp_path]) and "badge" not in list_boards()
    board = load_board("badge", [tmp_path])
    assert "BOARD_MICROPHONE_CLK_PIN=7" in board.c_defines
    assert folder / "board.c" in board.c_sources
