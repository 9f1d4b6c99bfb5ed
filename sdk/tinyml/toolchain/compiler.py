"""Compile C files to objects and link them, with zig cc or arm-none-eabi-gcc."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tinyml.board import Isa
from tinyml.errors import MissingToolError, ProjectError
from tinyml.storage import writing

WARNINGS = ("-Wall", "-Wextra", "-Wconversion", "-Werror")
OPTIMISE = ("-O2", "-fno-unroll-loops", "-fomit-frame-pointer")
_SECTIONS = ("-ffunction-sections", "-fdata-sections", "-fno-unwind-tables", "-fno-asynchronous-unwind-tables")
_GCC = {
    "": ("gcc", "gcc"),
    "thumb": ("arm-none-eabi-gcc", "gcc-arm-none-eabi libnewlib-arm-none-eabi"),
    "riscv32": ("riscv64-unknown-elf-gcc", "gcc-riscv64-unknown-elf"),
}
"""GNU's driver by the first part of the target, and Debian's packages that install it."""


@dataclass(frozen=True)
class Object:
    """One C file and how it is compiled; `flags` come after the common ones."""

    source: Path
    flags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Compiler:
    """A C compiler for one ISA. `command` is the driver; `name` is "zig" or "gcc"."""

    name: Literal["zig", "gcc"]
    command: tuple[str, ...]
    isa: Isa

    @property
    def machine_flags(self) -> tuple[str, ...]:
        if not self.isa.target:
            return ()
        if self.name == "gcc":
            return ("-ffreestanding", *self.isa.gcc_flags)
        return ("-target", self.isa.target, *self.isa.cpu_flags)

    def compile(
        self, objects: Sequence[Object], out_dir: Path, *, include_dirs: Sequence[Path] = (),
        defines: Sequence[str] = (), flags: Sequence[str] = (),
    ) -> list[Path]:  # fmt: skip
        """Compile every object with C11, warnings as errors; unchanged ones are reused by content hash.

        Raises: ProjectError with the compiler's messages.
        """
        out_dir.mkdir(parents=True, exist_ok=True)
        # Paths inside debug information are relative to nothing that changes between machines.
        common = (
            *self.command, "-std=c11", *self.machine_flags, *WARNINGS, *OPTIMISE, *_SECTIONS, "-g",
            *(f"-D{d}" for d in defines), *(f"-I{d}" for d in include_dirs), *flags,
        )  # fmt: skip
        headers = _headers_digest(include_dirs)

        def one(item: Object) -> Path:
            key = hashlib.sha256(repr((common, item.flags, str(item.source), headers)).encode())
            key.update(item.source.read_bytes())
            out = out_dir / f"{item.source.stem}-{key.hexdigest()[:16]}.o"
            if not out.exists():
                with writing(out) as partial:
                    run([*common, *item.flags, "-c", str(item.source), "-o", str(partial)],
                        f"compiling {item.source.name}")  # fmt: skip
            return out

        with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
            return list(pool.map(one, objects))

    def link(self, objects: Sequence[Path], out: Path, *, flags: Sequence[str] = ()) -> Path:
        """Link objects into `out` (written under a temporary name first). Raises: ProjectError."""
        extra = ("-nostdlib", "-lgcc") if self.name == "gcc" and self.isa.target else ()
        with writing(out) as partial:
            run([*self.command, *self.machine_flags, "-O2", "-g", *map(str, objects), *flags, *extra,
                 "-o", str(partial)], f"linking {out.name}")  # fmt: skip
        return out


def _headers_digest(include_dirs: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    for folder in include_dirs:
        for header in sorted(folder.glob("*.[ch]")):
            digest.update(header.name.encode() + header.read_bytes())
    return digest.hexdigest()


def run(command: Sequence[str], what: str) -> str:
    """Run a tool. Returns its standard output. Raises: ProjectError with what it said, when it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise ProjectError(f"{what} failed", details=lines[:40], hint="the first message above names the place")
    return done.stdout


def select(name: Literal["zig", "gcc"], isa: Isa) -> Compiler:
    """The compiler called `name` for `isa`. Raises: MissingToolError with the command that installs it."""
    if name == "zig":
        if importlib.util.find_spec("ziglang") is None:
            raise MissingToolError("the C compiler `ziglang` is not installed", hint="run `pip install ziglang`")
        return Compiler("zig", (sys.executable, "-m", "ziglang", "cc"), isa)
    family = isa.target.partition("-")[0]
    driver, package = _GCC[family]
    if shutil.which(driver) is None:
        raise MissingToolError(f"the C compiler `{driver}` is not on PATH", hint=f"run `apt-get install {package}`")
    return Compiler("gcc", (driver,), isa)
