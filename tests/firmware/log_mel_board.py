"""The front end alone on the virtual board: hops are poked into RAM, features peeked from it, cycles counted."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from elftools.elf.elffile import ELFFile

from tinyml.board import load_board
from tinyml.features import LogMelSpec, write_c
from tinyml.sim.board_machine import VirtualBoard
from tinyml.sim.elf import Image
from tinyml.sim.processor import Halt
from tinyml.toolchain import Object, select

BATCH_HOPS = 200
_PROGRAM = """
#include "log_mel.h"
tm_log_mel g_state;
uint32_t g_fresh, g_hops;
int16_t g_pcm[TM_LOG_MEL_HOP_SAMPLES * 200];
int8_t g_features[TM_LOG_MEL_BINS * 200];
void Reset_Handler(void);
extern uint32_t __stack_top;
__attribute__((used, section(".vectors"))) static const void *const vectors[2] = {
    &__stack_top, (const void *)Reset_Handler};
__attribute__((noreturn, used)) void Reset_Handler(void)
{
    if (g_fresh)
        tm_log_mel_reset(&g_state);
    for (uint32_t i = 0; i < g_hops; i++)
        tm_log_mel_push(&g_state, g_pcm + i * TM_LOG_MEL_HOP_SAMPLES, g_features + i * TM_LOG_MEL_BINS);
    for (;;)
        __asm__ volatile("bkpt #0");
}
"""
_LINKER_SCRIPT = """
MEMORY { FLASH (rx) : ORIGIN = 0x00000000, LENGTH = 1M  RAM (rwx) : ORIGIN = 0x20000000, LENGTH = 256K }
SECTIONS {
  .text : { KEEP(*(.vectors)) *(.text*) *(.rodata*) } > FLASH
  .ARM.exidx : { *(.ARM.exidx* .ARM.extab*) } > FLASH
  .bss (NOLOAD) : { *(.bss*) *(COMMON) } > RAM
  __stack_top = ORIGIN(RAM) + LENGTH(RAM);
}
"""
_STACK_TOP, _WATCHED_STACK = 0x2004_0000, 4096
_PAINT = 0xA5


@dataclass(frozen=True)
class BoardRun:
    """`features` int8[hops, mel_bins]; mean cycles of a hop; RAM of state and scratch, and the deepest stack."""

    features: np.ndarray
    cycles_per_hop: float
    state_bytes: int
    stack_bytes: int


def build(spec: LogMelSpec, compiler: str, folder: Path) -> Path:
    """The ELF, by zig or gcc, with the product's own flags."""
    sources = write_c(spec, folder / "features")
    (folder / "program.c").write_text(_PROGRAM)
    (folder / "program.ld").write_text(_LINKER_SCRIPT)
    tool = select(compiler, load_board("nrf52840").isa)
    objects = tool.compile(
        [Object(folder / "program.c"), *map(Object, sources.sources)],
        folder / compiler,
        include_dirs=[sources.include_dir],
    )
    layout = ["-T", str(folder / "program.ld"), "-Wl,-z,max-page-size=16"]
    return tool.link(
        objects, folder / f"{compiler}.elf", flags=[*layout, "-Wl,--gc-sections", "-Wl,--entry=Reset_Handler"]
    )


def run(elf: Path, spec: LogMelSpec, pcm: np.ndarray) -> BoardRun:
    """Whole hops of int16 samples through the board, from reset."""
    board, image = VirtualBoard(load_board("nrf52840")), Image(elf)
    board.program(image)
    at = {name: image.symbols[name] for name in ("g_state", "g_fresh", "g_hops", "g_pcm", "g_features")}
    board.debugger_attached = True
    board.poke(_STACK_TOP - _WATCHED_STACK, bytes([_PAINT]) * _WATCHED_STACK)
    hops = pcm.size // spec.hop_samples
    out, cycles = [], 0
    for first in range(0, hops, BATCH_HOPS):
        count = min(BATCH_HOPS, hops - first)
        part = pcm[first * spec.hop_samples : (first + count) * spec.hop_samples]
        board.poke(at["g_pcm"], part.astype("<i2").tobytes())
        for name, value in (("g_fresh", first == 0), ("g_hops", count)):
            board.poke(at[name], int(value).to_bytes(4, "little"))
        board.reset()
        start = board.now
        halt = board.run(start + 400_000 * count)
        assert halt is Halt.BKPT, f"the program ended with {halt}"
        cycles += board.now - start
        out.append(np.frombuffer(board.peek(at["g_features"], count * spec.mel_bins), np.int8))
    stack = board.peek(_STACK_TOP - _WATCHED_STACK, _WATCHED_STACK)
    return BoardRun(
        np.concatenate(out).reshape(hops, spec.mel_bins), cycles / hops, _state_bytes(elf),
        len(stack) - next(i for i, byte in enumerate(stack) if byte != _PAINT),
    )  # fmt: skip


def _state_bytes(elf: Path) -> int:
    with elf.open("rb") as stream:
        return ELFFile(stream).get_section_by_name(".symtab").get_symbol_by_name("g_state")[0]["st_size"]
