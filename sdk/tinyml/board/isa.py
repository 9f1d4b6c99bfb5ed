"""Instruction sets by name, from the arch.toml files: what kernels may use, and how compilers are told of a core."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tinyml.board.schema import ArchFile, nearest, read_file
from tinyml.board.types import Isa
from tinyml.errors import ProjectError
from tinyml.resources import board_support_dir

CORES = {"armv7e-m": "cortex-m4", "armv6-m": "cortex-m0plus", "rv32": "rv32imc", "portable": "host"}
"""The names that exports know, each with the core that stands for it."""


def load_isa(cpu: str, search: Sequence[Path] = ()) -> Isa:
    """The instruction set of a core, such as "cortex-m4". Raises: ProjectError for a core that no arch.toml has."""
    known: dict[str, Path] = {}
    for root in (*search, board_support_dir()):
        for path in sorted(root.glob("arch/*/arch.toml")):
            for name in read_file(ArchFile, path).cpu:
                known.setdefault(name, path)
    if cpu not in known:
        raise ProjectError(f"there is no core `{cpu}`", hint=nearest(cpu, sorted(known)))
    return isa_of(read_file(ArchFile, known[cpu]), cpu)


def isa_of(arch: ArchFile, cpu: str) -> Isa:
    """The instruction set of `cpu`, which `arch` has."""
    table = arch.cpu[cpu]
    return Isa(arch.name, arch.dsp, bool(table.zig_target and table.fpu), table.zig_target, tuple(table.zig_flags),
               tuple(table.gcc_flags))  # fmt: skip


def named_isa(name: str) -> Isa:
    """The instruction set that exports call `name` (a key of `CORES`). Raises: ProjectError."""
    if name not in CORES:
        raise ProjectError(f"there is no instruction set `{name}`", hint=nearest(name, list(CORES)))
    return replace(load_isa(CORES[name]), name=name)
