"""Generated C alone on the virtual board: a reset handler that calls m_invoke once and stops."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tinyml.board import Board, load_board
from tinyml.compiler import Compiled, write
from tinyml.ir.graph import Graph
from tinyml.sim import profile
from tinyml.sim.board_machine import VirtualBoard
from tinyml.sim.elf import Image
from tinyml.sim.processor import Halt
from tinyml.toolchain import Object, select

_PROGRAM = """
#include "m.h"
uint8_t g_arena[M_ARENA_BYTES] __attribute__((aligned(M_ARENA_ALIGN)));
void Reset_Handler(void);
extern uint32_t __stack_top;
__attribute__((used, section(".vectors"))) static const void *const vectors[2] = {
    &__stack_top, (const void *)Reset_Handler};
__attribute__((noreturn, used)) void Reset_Handler(void)
{
    *(volatile uint32_t *)0xE000ED88 |= 0xFU << 20; /* CPACR: the FPU, where compilers keep registers */
    m_invoke(g_arena);
    for (;;) {
        __asm__ volatile("bkpt #0");
    }
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
_LONG_CYCLES = 400_000_000


def cortex_m4() -> Board:
    """The board on which generated code runs."""
    return load_board("nrf52840")


def build(compiled: Compiled, compiler: str, folder: Path, flags: tuple[str, ...] = ()) -> Path:
    """An ELF that runs `compiled` once, built with zig or gcc, the product's own flags and `flags`."""
    sources = write(compiled, folder / "model")
    (folder / "program.c").write_text(_PROGRAM)
    (folder / "program.ld").write_text(_LINKER_SCRIPT)
    tool = select(compiler, cortex_m4().isa)
    program = Object(folder / "program.c", ("-Wno-pedantic",))
    model = Object(sources.sources[0], flags)
    objects = tool.compile([program, model], folder / "obj", include_dirs=[sources.include_dir])
    layout = ["-T", str(folder / "program.ld"), "-Wl,-z,max-page-size=16"]
    return tool.link(
        objects, folder / f"{compiler}.elf", flags=[*layout, "-Wl,--gc-sections", "-Wl,--entry=Reset_Handler"]
    )


def run(compiled: Compiled, elf: Path, graph: Graph, inputs: tuple[np.ndarray, ...]) -> dict[str, np.ndarray]:
    """Run once on the virtual board; every value of `compiled.taps` as it lies in the arena afterwards."""
    board, image = VirtualBoard(cortex_m4()), Image(elf)
    board.program(image)
    arena = image.symbols["g_arena"]
    board.poke(arena, b"\xa5" * compiled.plan.arena_bytes)
    for name, data in zip(graph.inputs, inputs, strict=True):
        board.poke(arena + compiled.taps[name][0], data.tobytes())
    board.debugger_attached = True
    board.reset()
    halt = board.run(board.now + _LONG_CYCLES)
    assert halt is Halt.BKPT, f"the program ended with {halt}"
    return values(compiled, board.peek(arena, compiled.plan.arena_bytes))


def values(compiled: Compiled, arena: bytes) -> dict[str, np.ndarray]:
    """Every value of `compiled.taps` in the arena's bytes, whose guard words must be untouched."""
    memory = np.frombuffer(arena, np.uint8)
    guard = compiled.guard_bytes
    for place in compiled.plan.placements if guard else ():
        end = place.offset + -(-place.size // 4) * 4
        assert (memory[end : end + guard] == 0xA5).all(), f"written behind {place.name}"
    return {
        value: memory[offset : offset + kind.size_bytes].view(kind.dtype).reshape(kind.shape)
        for value, (offset, kind) in compiled.taps.items()
    }


def layer_cycles(compiled: Compiled, elf: Path) -> dict[str, int]:
    """Cycles of one call of every layer, by function, as the virtual board counts them."""
    image = Image(elf)
    layers = profile.layer_functions(image, [])
    board = VirtualBoard(cortex_m4(), layers={f.address: number for number, f in enumerate(layers, start=1)})
    board.program(image)
    board.debugger_attached = True
    board.reset()
    halt = board.run(board.now + _LONG_CYCLES)
    assert halt is Halt.BKPT, f"the program ended with {halt}"
    return profile.layer_cycles(layers, board.hook, compiled.calls)
