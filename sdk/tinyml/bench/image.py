"""A network alone as an image: its code, its constants, and a caller of a few instructions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tinyml.board import Board
from tinyml.compiler import Compiled, Peak, write
from tinyml.errors import OverBudgetError, ProjectError
from tinyml.firmware.elf import read_sections, read_symbols
from tinyml.ir.tensor import TensorType
from tinyml.storage import write_text
from tinyml.toolchain import Object, select

CALLER = ("g_arena", "g_in", "g_out")
"""Buffers of the caller: no part of the network's statics."""

_MAIN = """#include "{name}.h"
#include "bench_sizes.h"
uint8_t g_arena[{upper}_ARENA_BYTES] __attribute__((aligned({upper}_ARENA_ALIGN)));
int8_t g_in[BENCH_IN_BYTES], g_out[BENCH_OUT_BYTES];
{ready}void put(void);
void run(void);
void get(void);
void stop(void);
void put(void)
{{
{put}}}
void run(void)
{{
    {run};
}}
void get(void)
{{
{get}}}
void stop(void)
{{
    __asm__ volatile("bkpt #0");
}}
"""
_COPY_IN = """    for (int32_t i = 0; i < {upper}_{macro}_BYTES; i++) {{
        {name}_{side}(g_arena)[i] = g_in[{offset} + i];
    }}
"""
_COPY_OUT = """    for (int32_t i = 0; i < {upper}_{macro}_BYTES; i++) {{
        g_out[{offset} + i] = {name}_{side}(g_arena)[i];
    }}
"""
_SECTIONS = """
SECTIONS {
    .text : { *(.text*) } > CODE
    .rodata : { *(.rodata*) } > CODE
    .ARM.exidx : { *(.ARM.exidx* .ARM.extab*) } > CODE
    .data : { *(.data*) } > DATA AT > CODE
    .bss (NOLOAD) : { *(.bss*) *(COMMON) } > DATA
    __free = .;
    __ram_end = ORIGIN(DATA) + LENGTH(DATA);
}
"""
_ENTRIES = ("put", "run", "get", "stop")


@dataclass(frozen=True)
class NetworkImage:
    """A linked network and where its bytes go.

    `flash_bytes` is all that is programmed, `weight_bytes` the part of it in packed constants (`m_w_*`), `static_bytes`
    the variables, without arena and caller. `sizes` are those of functions and objects by name.
    """

    elf: Path
    flash_bytes: int
    weight_bytes: int
    static_bytes: int
    sizes: Mapping[str, int]

    @property
    def code_bytes(self) -> int:
        return self.flash_bytes - self.weight_bytes


def build_image(
    compiled: Compiled, board: Board, compiler: str, out_dir: Path, *, optimise: str = "O2", stream: bool = False,
    flags: tuple[str, ...] = (),
) -> NetworkImage:  # fmt: skip
    """Build `compiled` with the product's flags, -`optimise` and `flags`; with `stream`, its push function runs.

    Raises: OverBudgetError when it does not fit the board's memories, ProjectError with the compiler's messages,
    MissingToolError.
    """
    sources = write(compiled, out_dir / "model")
    caller = out_dir / "caller"
    write_text(caller / "bench_sizes.h", _sizes(compiled, stream))
    write_text(caller / "main.c", _main(compiled, stream))
    write_text(caller / "bench.ld", _script(board))
    tool = select(compiler, board.isa)
    flags = (f"-{optimise}", *flags)
    memory = [s for s in board.c_sources if s.name == "memory.c"]  # what a compiler may call on its own
    objects = tool.compile(
        [Object(s, flags) for s in (*sources.sources, caller / "main.c", *memory)], out_dir / f"obj-{compiler}",
        include_dirs=[sources.include_dir, caller],
    )  # fmt: skip
    options = ["-T", str(caller / "bench.ld"), "-Wl,--gc-sections", "-Wl,-z,max-page-size=16", "-Wl,--entry=run",
               *(f"-Wl,-u,{name}" for name in _ENTRIES)]  # fmt: skip
    try:
        elf = tool.link(objects, out_dir / f"{compiled.name}-{compiler}-{optimise}.elf", flags=options)
    except ProjectError as error:
        raise _over_budget(compiled, board, error) or error from None
    return _measured(elf, board, compiled.prefix)


def _main(compiled: Compiled, stream: bool) -> str:
    name, upper = compiled.prefix, compiled.prefix.upper()
    put = f"    {name}_reset(g_arena);\n" if stream else _copies(_COPY_IN, name, "input", compiled.input_types)
    run = f"g_ready = {name}_push(g_arena, g_in)" if stream else f"{name}_invoke(g_arena)"
    get = _copies(_COPY_OUT, name, "output", compiled.output_types[:1] if stream else compiled.output_types)
    return _MAIN.format(name=name, upper=upper, ready="int g_ready;\n" if stream else "", put=put, run=run, get=get)


def _copies(template: str, name: str, side: str, kinds: tuple[TensorType, ...]) -> str:
    text, offset = "", 0
    for k, kind in enumerate(kinds):
        numbered = side if k == 0 else f"{side}_{k}"
        text += template.format(upper=name.upper(), macro=numbered.upper(), name=name, side=numbered, offset=offset)
        offset += kind.size_bytes
    return text


def _sizes(compiled: Compiled, stream: bool) -> str:
    upper = compiled.prefix.upper()
    read = f"{upper}_FRAME_BYTES" if stream else str(sum(k.size_bytes for k in compiled.input_types))
    written = sum(k.size_bytes for k in compiled.output_types)  # a streamed network's states too: never too few
    return f"#define BENCH_IN_BYTES {read}\n#define BENCH_OUT_BYTES {written}\n"


def _script(board: Board) -> str:
    lines = ["MEMORY {"]
    for role, region in (("CODE", "code"), ("DATA", "arena")):
        memory = board.memory(board.regions[region])
        access = "rx" if role == "CODE" else "rwx"
        lines.append(f"    {role} ({access}) : ORIGIN = {memory.origin:#x}, LENGTH = {memory.length_bytes:#x}")
    return "\n".join([*lines, "}"]) + _SECTIONS


def _over_budget(compiled: Compiled, board: Board, error: ProjectError) -> OverBudgetError | None:
    text = "\n".join(line for line in error.details if re.search("overflowed|will not fit", line))
    if not text:
        return None
    peak = Peak.of(compiled.plan) if "DATA" in text else None
    return OverBudgetError(
        f"`{compiled.name}` does not fit `{board.name}`",
        details=[f"arena {compiled.plan.arena_bytes:,} bytes of {board.ram_bytes:,} bytes of RAM",
                 f"weights {compiled.weight_bytes:,} bytes of {board.flash_bytes:,} bytes of flash",
                 *(peak.details if peak else ())],
        hint=(f"{peak.advice}, or " if peak else "") + "choose a larger board: `tinyml boards`",
    )  # fmt: skip


def _measured(elf: Path, board: Board, prefix: str) -> NetworkImage:
    code = board.regions["code"]
    sections = read_sections(elf, board)
    sizes = {s.name: s.size_bytes for s in read_symbols(elf, board)}
    weights = sum(s.size_bytes for s in read_symbols(elf, board) if s.name.startswith(f"{prefix}_w_"))
    own = sum(sizes[name] for name in CALLER) + sizes.get("g_ready", 0)
    return NetworkImage(
        elf, sum(s.size_bytes for s in sections if s.loaded), weights,
        sum(s.size_bytes for s in sections if s.memory != code) - own, sizes,
    )  # fmt: skip
