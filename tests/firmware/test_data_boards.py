"""Boards that are data only: a compiled network links into their memories, with both compilers."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile
from tests.golden.networks import ds_cnn

from tinyml.bench.image import build_image
from tinyml.board import list_boards, load_board
from tinyml.compiler import compile_graph
from tinyml.errors import MissingToolError, OverBudgetError
from tinyml.firmware.linker import linker_script

DATA_ONLY = [name for name in list_boards() if not load_board(name).has_firmware]


def test_there_are_four() -> None:
    assert DATA_ONLY == ["nucleo_h743zi", "stm32f412", "stm32f746g_disco", "stm32f767"]


@pytest.mark.parametrize("compiler", ["zig", "gcc"])
@pytest.mark.parametrize("name", DATA_ONLY)
def test_a_network_links_into_flash_and_the_arena_s_memory(name: str, compiler: str, tmp_path: Path) -> None:
    board = load_board(name)
    compiled = compile_graph(ds_cnn(7), board.isa, prefix="m")
    try:
        image = build_image(compiled, board, compiler, tmp_path)
    except MissingToolError as error:
        pytest.skip(error.message)
    flash, arena = board.memory("flash"), board.memory(board.regions["arena"])
    with image.elf.open("rb") as file:
        elf = ELFFile(file)
        symbols = {s.name: s["st_value"] for s in elf.get_section_by_name(".symtab").iter_symbols()}
        assert elf["e_machine"] == "EM_ARM" and elf["e_flags"] & 0x400  # hard floating-point ABI
    assert flash.origin <= symbols["m_invoke"] < flash.origin + flash.length_bytes
    assert arena.origin <= symbols["g_arena"]
    assert symbols["g_arena"] + compiled.plan.arena_bytes <= arena.origin + arena.length_bytes
    assert compiled.weight_bytes * 0.9 < image.weight_bytes < image.flash_bytes


def test_the_linker_is_told_of_five_memories() -> None:
    script = linker_script(load_board("nucleo_h743zi"))
    assert "axi_sram (rwx) : ORIGIN = 0x24000000, LENGTH = 0x80000" in script
    where = {section: re.search(rf"^    \.{section} .*?> (\w+)", script, re.M | re.S)[1]
             for section in ("text", "stack", "data", "dma", "arena", "bss")}  # fmt: skip
    assert where == {"text": "flash", "stack": "dtcm", "data": "dtcm", "dma": "d2_sram", "arena": "axi_sram",
                     "bss": "dtcm"}  # fmt: skip


def test_an_arena_larger_than_its_memory_is_refused(tmp_path: Path) -> None:
    board = load_board("nucleo_h743zi")
    small = replace(board, memories=tuple(
        replace(m, length_bytes=1024) if m.name == board.regions["arena"] else m for m in board.memories))  # fmt: skip
    with pytest.raises(OverBudgetError, match="does not fit `nucleo_h743zi`") as caught:
        build_image(compile_graph(ds_cnn(7), board.isa, prefix="m"), small, "zig", tmp_path)
    assert any("arena" in line for line in caught.value.details)
