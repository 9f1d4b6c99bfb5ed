"""The emulated Cortex-M0 is as strict about alignment as silicon, the larger cores are not."""

from __future__ import annotations

from pathlib import Path

import bare_cores
import pytest
from core_machine import RAM, CoreMachine

from tinyml.toolchain import Object

PROGRAM = """
#include <stdint.h>
void run(void);
void run(void) { *(volatile uint32_t *)(RAM_ORIGIN + OFFSET) = 0x12345678u; }
"""


def stored(target: str, offset: int, folder: Path) -> bytes:
    """The word that `target` stored at `offset` into the RAM."""
    (folder / "store.c").write_text(PROGRAM)
    store = Object(folder / "store.c", (f"-DRAM_ORIGIN={RAM}u", f"-DOFFSET={offset}u"))
    elf = bare_cores.link(target, [store], folder, folder)
    machine = CoreMachine(bare_cores.TARGETS[target][1], elf)
    machine.call("run")
    return machine.peek(RAM + offset, 4)


@pytest.mark.parametrize("target", ["m0plus_zig", "m7_zig", "m33_zig", "rv32_zig"])
def test_aligned_words_are_stored(target: str, tmp_path: Path) -> None:
    assert stored(target, 8, tmp_path) == bytes.fromhex("78563412")


def test_only_armv6m_faults_at_an_unaligned_word(tmp_path: Path) -> None:
    assert stored("m7_zig", 9, tmp_path) == bytes.fromhex("78563412")
    with pytest.raises(AssertionError, match="UC_ERR"):
        stored("m0plus_zig", 9, tmp_path)
