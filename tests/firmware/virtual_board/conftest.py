"""Test programs, compiled and run on the virtual nRF52840."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

pytest.importorskip("unicorn", reason="needs the virtual board (extra `sim`)")
from tinyml.board import Board, load_board  # noqa: E402
from tinyml.sim import SimResult, simulate  # noqa: E402
from tinyml.toolchain import Object, select  # noqa: E402

PROGRAMS = Path(__file__).resolve().parents[1] / "programs"
Builder = Callable[..., Path]


@pytest.fixture(scope="session")
def board() -> Board:
    return load_board("nrf52840")


@pytest.fixture(scope="session")
def build_program(tmp_path_factory: pytest.TempPathFactory, board: Board) -> Builder:
    """`build_program("hello", ["NAME=1"], compiler="gcc")` -> ELF, built once for each combination."""
    folder = tmp_path_factory.mktemp("programs")
    built: dict[tuple, Path] = {}

    def build(name: str, defines: Sequence[str] = (), compiler: str = "zig") -> Path:
        key = (name, tuple(defines), compiler)
        if key not in built:
            if compiler == "gcc" and shutil.which("arm-none-eabi-gcc") is None:
                pytest.skip("arm-none-eabi-gcc is not installed")
            cc = select(compiler, board.isa)
            flags = tuple(f"-D{d}" for d in defines)
            sources = [Object(PROGRAMS / "startup.c"), Object(PROGRAMS / f"{name}.c", flags)]
            objects = cc.compile(sources, folder / compiler, include_dirs=[PROGRAMS])
            link = ("-T", str(PROGRAMS / "programs.ld"), "-Wl,--gc-sections", "-Wl,--entry=Reset_Handler")
            warnings = ("-Wl,--no-warn-rwx-segments",) if compiler == "gcc" else ("-Wl,-z,max-page-size=16",)
            built[key] = cc.link(objects, folder / f"{len(built)}-{name}.elf", flags=(*link, *warnings))
        return built[key]

    return build


@pytest.fixture(scope="session")
def run_program(build_program: Builder, board: Board) -> Callable[..., SimResult]:
    """`run_program("hello", ["NAME=1"], seconds=0.5)` -> SimResult."""

    def run(name: str, defines: Sequence[str] = (), compiler: str = "zig", **options: object) -> SimResult:
        return simulate(board, build_program(name, defines, compiler), **options)

    return run


@pytest.fixture(scope="session")
def marked_line() -> Callable[[str, str], int]:
    """`marked_line("faults", "FAULT_LDM")`: the first line with the comment `here` at or below the text."""

    def find(program: str, text: str = "") -> int:
        source = (PROGRAMS / f"{program}.c").read_text()
        start = source.index(text)
        return source.count("\n", 0, start + re.search("here \\*/", source[start:]).start()) + 1

    return find
