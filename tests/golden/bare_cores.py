"""Generated C alone on cores that have no virtual board: m_invoke is called, memory is looked at afterwards."""

from __future__ import annotations

from pathlib import Path

import bare_board
import numpy as np
from core_machine import FLASH, RAM, CoreMachine

from tinyml.board import Isa, load_isa
from tinyml.compiler import Compiled, write
from tinyml.ir.graph import Graph
from tinyml.toolchain import Object, select

TARGETS = {
    f"{short}_{compiler}": (compiler, core)
    for short, core in {"m7": "cortex-m7", "m33": "cortex-m33", "m0plus": "cortex-m0plus", "rv32": "rv32imc"}.items()
    for compiler in ("zig", "gcc")
}
"""(compiler, core) by the name of the target."""

# A compiler may call memcpy and memset wherever it likes, and nothing else is linked here.
_PROGRAM = """
#include <stddef.h>
#include "m.h"
uint8_t g_arena[M_ARENA_BYTES] __attribute__((aligned(M_ARENA_ALIGN)));
void *memcpy(void *to, const void *from, size_t count);
void *memset(void *to, int value, size_t count);
void *memcpy(void *to, const void *from, size_t count)
{
    for (volatile size_t i = 0; i < count; i++) {
        ((uint8_t *)to)[i] = ((const uint8_t *)from)[i];
    }
    return to;
}
void *memset(void *to, int value, size_t count)
{
    for (volatile size_t i = 0; i < count; i++) {
        ((uint8_t *)to)[i] = (uint8_t)value;
    }
    return to;
}
void run(void);
void run(void) { m_invoke(g_arena); }
"""
_LINKER_SCRIPT = f"""
MEMORY {{ FLASH (rx) : ORIGIN = {FLASH:#x}, LENGTH = 2M  RAM (rwx) : ORIGIN = {RAM:#x}, LENGTH = 1M }}
SECTIONS {{
  .text : {{ *(.text*) *(.rodata*) *(.srodata*) }} > FLASH
  /DISCARD/ : {{ *(.ARM.exidx* .ARM.extab*) }}
  .bss (NOLOAD) : {{ *(.bss*) *(.sbss*) *(COMMON) }} > RAM
}}
"""


def isa_of(target: str) -> Isa:
    """The instruction set that networks are compiled for on `target`."""
    return load_isa(TARGETS[target][1])


def build(compiled: Compiled, target: str, folder: Path) -> Path:
    """An ELF whose `run` invokes `compiled` once, for `target` and with the product's own flags."""
    sources = write(compiled, folder / "model")
    (folder / "program.c").write_text(_PROGRAM)
    program = Object(folder / "program.c", ("-fno-builtin",))
    return link(target, [program, Object(sources.sources[0])], folder, sources.include_dir)


def link(target: str, objects: list[Object], folder: Path, include_dir: Path) -> Path:
    """An ELF for a `CoreMachine` that starts with a function called `run`."""
    tool = select(TARGETS[target][0], isa_of(target))
    compiled = tool.compile(objects, folder / "obj", include_dirs=[include_dir])
    (folder / "program.ld").write_text(_LINKER_SCRIPT)
    layout = ["-T", str(folder / "program.ld"), "-Wl,-z,max-page-size=16"]
    return tool.link(compiled, folder / f"{target}.elf", flags=[*layout, "-Wl,--gc-sections", "-Wl,--entry=run"])


def run(
    compiled: Compiled, elf: Path, target: str, graph: Graph, inputs: tuple[np.ndarray, ...]
) -> dict[str, np.ndarray]:
    """Invoke once; every value of `compiled.taps` as it lies in the arena afterwards."""
    machine = CoreMachine(TARGETS[target][1], elf)
    arena = machine.symbols["g_arena"]
    machine.poke(arena, b"\xa5" * compiled.plan.arena_bytes)
    for name, data in zip(graph.inputs, inputs, strict=True):
        machine.poke(arena + compiled.taps[name][0], data.tobytes())
    machine.call("run")
    return bare_board.values(compiled, machine.peek(arena, compiled.plan.arena_bytes))
