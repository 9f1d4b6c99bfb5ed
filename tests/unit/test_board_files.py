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


MEMORIES = {
    "stm32f412": {"flash": (0x0800_0000, 1024), "ram": (0x2000_0000, 256)},
    "stm32f746g_disco": {"itcm": (0, 16), "flash": (0x0800_0000, 1024), "ram": (0x2000_0000, 320)},
    "stm32f767": {"itcm": (0, 16), "flash": (0x0800_0000, 2048), "ram": (0x2000_0000, 512)},
    "nucleo_h743zi": {"itcm": (0, 64), "flash": (0x0800_0000, 2048), "dtcm": (0x2000_0000, 128),
                      "axi_sram": (0x2400_0000, 512), "d2_sram": (0x3000_0000, 288), "d3_sram": (0x3800_0000, 64)},
}  # fmt: skip
"""(origin, KiB) by memory, from the vendor's data sheets."""


@pytest.mark.parametrize(
    ("name", "cpu", "hz", "arena_kib", "ram_kib"),
    [
        ("stm32f412", "cortex-m4", 100e6, 256, 256),
        ("stm32f746g_disco", "cortex-m7", 216e6, 320, 320),
        ("stm32f767", "cortex-m7", 216e6, 512, 512),
        ("nucleo_h743zi", "cortex-m7", 400e6, 512, 928),
    ],
)
def test_data_only_boards_are_as_in_the_manuals(name: str, cpu: str, hz: float, arena_kib: int, ram_kib: int) -> None:
    board = load_board(name)
    assert {m.name: (m.origin, m.length_bytes // 1024) for m in board.memories} == MEMORIES[name]
    assert (board.cpu, board.cpu_hz, board.arena_bytes, board.ram_bytes) == (cpu, hz, arena_kib << 10, ram_kib << 10)
    assert board.isa.name == "armv7em" and board.isa.dsp and board.isa.fpu
    assert board.status == "builds" and not board.has_firmware and not board.features
    assert all(len(m.source) > 20 for m in board.memories)
    readme = (board_support_dir() / "boards" / name / "README.md").read_text()
    assert "Nothing on silicon" in readme
    with pytest.raises(ProjectError, match=f"no firmware for `{name}` yet") as caught:
        board.require_firmware()
    assert "nrf52840" in caught.value.hint and "tinyml export" in caught.value.hint


def test_the_arena_gets_what_shares_its_memory_leaves() -> None:
    shared, alone = load_board("nrf52840"), load_board("nucleo_h743zi")
    assert shared.arena_left(data_bytes=1000, dma_bytes=24) == 256 * 1024 - 4096 - 1024
    assert alone.arena_left(data_bytes=1000, dma_bytes=24) == alone.arena_bytes == 512 * 1024
    load_board("nrf52840").require_firmware()


def test_debug_probes_know_the_boards() -> None:
    """pyOCD has the chips built in, but for one that is in a pack: that is in its table of boards."""
    builtin = pytest.importorskip("pyocd.target.builtin").BUILTIN_TARGETS
    boards = {info.target for info in pytest.importorskip("pyocd.board.board_ids").BOARD_ID_TO_INFO.values()}
    for name in MEMORIES:
        target = load_board(name).deploy["pyocd_target"]
        assert target in builtin or target in boards
        if target not in builtin:
            continue
        ram = load_board(name).memory(load_board(name).regions["stack"])
        regions = [(r.start, r.length) for r in builtin[target].MEMORY_MAP if r.is_ram]
        assert any(start <= ram.origin and ram.origin + ram.length_bytes <= start + length for start, length in regions)


def test_svd_files_are_in_the_archive() -> None:
    import zipfile

    package = Path(pytest.importorskip("pyocd").__file__).parent
    names = zipfile.ZipFile(package / "debug" / "svd" / "svd_data.zip").namelist()
    assert all(board.svd in names for board in map(load_board, list_boards()) if board.svd)
