"""A compiled network as a folder of C that needs nothing else: sources, kernels, a known-answer test."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

from tinyml import __version__
from tinyml.board import Isa
from tinyml.compiler import Budget, Compiled, Windows, compile_graph
from tinyml.errors import ProjectError
from tinyml.exporters.known_answers import known_answer_test
from tinyml.ir.graph import Graph
from tinyml.storage import writing_folder

MARKER = "export.json"
"""The file that says which files of a folder an export wrote; nothing else is ever replaced."""

SCHEMA = 1
KERNELS = "kernels"
_INCLUDE = re.compile(r'^#include "([^"]+)"', re.MULTILINE)
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}\Z")
_TAKEN = frozenset({
    "arm_acle", "assert", "complex", "ctype", "errno", "fenv", "float", "inttypes", "iso646", "limits", "locale",
    "math", "setjmp", "signal", "stdalign", "stdarg", "stdatomic", "stdbool", "stddef", "stdint", "stdio", "stdlib",
    "stdnoreturn", "string", "tgmath", "threads", "time", "tm", "uchar", "wchar", "wctype",
})  # fmt: skip


@dataclass(frozen=True)
class Export:
    """What was written: `files` are relative to `folder`; bytes are those of the arena and of the packed weights."""

    folder: Path
    name: str
    isa: str
    files: tuple[str, ...]
    arena_bytes: int
    weight_bytes: int
    macs: int
    windows: Windows | None  # with `stream`: what pushes make up


def export_c(
    graph: Graph, isa: Isa, name: str, folder: Path, *, stream: bool = False, budget: Budget = Budget()
) -> Export:
    """Write `graph` as C for `isa` into `folder`; the same graph gives the same bytes.

    `name` starts every global symbol; `stream` adds the functions that take one frame at a time; kernels are chosen to
    meet `budget` where that can be met. An earlier export in `folder` is replaced as a whole. Raises: ProjectError for
    a name that C or this folder cannot have, and when the folder holds anything else; GraphError when the graph cannot
    be compiled.
    """
    _check_name(name)
    _check_folder(folder)
    compiled = compile_graph(graph, isa, prefix=name, stream=stream, budget=budget)
    files = _relocated(compiled)
    files[f"{name}.h"] = _preface(compiled, stream) + files[f"{name}.h"]
    between = compiled.windows.frames_between if compiled.windows else None
    files[f"{name}_test.c"] = known_answer_test(graph, name, frames_between=between)
    files[MARKER] = _manifest(compiled, files, stream)
    with writing_folder(folder, MARKER) as partial:
        for path, text in files.items():
            target = partial / path
            target.parent.mkdir(exist_ok=True)
            target.write_text(text, encoding="utf-8", newline="\n")
    return Export(folder, name, isa.name, tuple(sorted(files)), compiled.plan.arena_bytes, compiled.weight_bytes,
                  compiled.macs, compiled.windows)  # fmt: skip


def _check_name(name: str) -> None:
    if not _NAME.match(name):
        raise ProjectError(f"`{name}` cannot start C names",
                           hint="use up to 40 lower-case letters, digits and underscores, a letter first")  # fmt: skip
    if name in _TAKEN:
        raise ProjectError(f"`{name}` is taken: {name}.h is a header of the compiler, or of the kernels",
                           hint=f"use another name, for example `{name}_net`")  # fmt: skip


def _check_folder(folder: Path) -> None:
    """Raises: ProjectError when `folder` holds what no export wrote, which replacing it would lose."""
    if not folder.is_dir():
        return
    found = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if not p.is_dir()}
    foreign = sorted(found - _files_of(folder / MARKER))
    if foreign:
        raise ProjectError(f"`{folder}` holds files that no export wrote", details=[", ".join(foreign[:6])],
                           hint="name another folder, or move them away")  # fmt: skip


def _files_of(marker: Path) -> set[str]:
    """The files that the export beside `marker` wrote, and the program that its test is built into by the command that
    every export shows; none where there is no readable one."""
    try:
        written = {str(name) for name in json.loads(marker.read_text(encoding="utf-8"))["files"]}
    except (OSError, ValueError, KeyError, TypeError):
        return set()
    programs = {name.removesuffix(".c") for name in written if name.endswith("_test.c")}
    return written | programs | {f"{name}.exe" for name in programs}


def _relocated(compiled: Compiled) -> dict[str, str]:
    """Kernel headers go into a folder of their own, so that their names stay out of the project's include path."""
    own = {f"{compiled.prefix}.h", f"{compiled.prefix}.c"}
    kernels = set(compiled.files) - own
    files = {f"{KERNELS}/{name}": compiled.files[name] for name in sorted(kernels)}

    def moved(match: re.Match[str]) -> str:
        return f'#include "{KERNELS}/{match[1]}"' if match[1] in kernels else match[0]

    return files | {name: _INCLUDE.sub(moved, compiled.files[name]) for name in sorted(own)}


def _preface(compiled: Compiled, stream: bool) -> str:
    name = compiled.prefix
    pushed = f" --stream: {name}_push takes one frame." if stream else ""
    kernels = (f"Kernels for {compiled.isa.name}; any other core runs their plain C twins and gives the same bytes."
               if compiled.isa.dsp else "Plain C: every core gives the same bytes.")  # fmt: skip
    return (
        f"/* {name}: an int8 neural network in C11 that needs no library, no heap and no start-up code.{pushed}\n"
        f" *\n"
        f" *   build   add {name}.c to your sources and this folder to the include path: cc -std=c11 -O2 -c {name}.c\n"
        f" *   prove   cc -std=c11 -O2 {name}.c {name}_test.c -o {name}_test && ./{name}_test\n"
        f" *\n"
        f" * {kernels}\n"
        f" * RAM: {compiled.plan.arena_bytes:,} bytes of arena, which the caller owns, and stack.\n"
        f" * Weights: {compiled.weight_bytes:,} bytes of constants named {name}_w_*. "
        f"Work: {compiled.macs:,} multiply-accumulates. */\n"
    )


def _manifest(compiled: Compiled, files: dict[str, str], stream: bool) -> str:
    content = {
        "schema": SCHEMA, "tinyml": __version__, "network": compiled.name, "name": compiled.prefix,
        "isa": compiled.isa.name, "stream": stream, "arena_bytes": compiled.plan.arena_bytes,
        "weight_bytes": compiled.weight_bytes, "macs": compiled.macs, "files": sorted({*files, MARKER}),
    }  # fmt: skip
    return json.dumps(content, indent=1) + "\n"
