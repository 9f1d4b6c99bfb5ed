"""From C sources to an image: compile what changed, link, measure."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tinyml.board import Board
from tinyml.compiler.peak import Peak
from tinyml.errors import ProjectError
from tinyml.firmware.app_config import AppConfig
from tinyml.firmware.elf import entry_point
from tinyml.firmware.image import Image, check_no_soft_float, measure, over_budget
from tinyml.firmware.intel_hex import intel_hex
from tinyml.firmware.linker import linker_script
from tinyml.firmware.segments import load_segments
from tinyml.runtime import RUNTIME_DIR, RUNTIME_SOURCES
from tinyml.storage import write_text
from tinyml.toolchain import Compiler, CSources, Object, select

_ENLARGED = 64
_LINK_FLAGS = ("-Wl,--gc-sections", "-Wl,--entry=Reset_Handler", "-Wl,-z,max-page-size=16", "-Wl,--build-id=none")


@dataclass(frozen=True)
class _Group:
    """Files that see the same headers: a change of those compiles this group again and no other."""

    sources: Sequence[Path]
    include_dirs: Sequence[Path]


def build(
    board: Board, compiler_name: Literal["zig", "gcc"], app_dir: Path, features: CSources, model: CSources,
    config: AppConfig, out_dir: Path, *, uf2: bool = False, peak: Peak | None = None,
    objects_dir: Path | None = None,
) -> Image:  # fmt: skip
    """Build the application in `app_dir` (its C files) for `board` into `out_dir`.

    `uf2` links for the flash that the board's UF2 bootloader leaves. `peak` is where the network's arena is
    fullest, for the error message. Objects are cached in `objects_dir` (default: in `out_dir`), so a
    changed `config` compiles one file. The bytes of the image depend on the sources and the compiler only.

    Raises: OverBudgetError when it does not fit, ProjectError with the compiler's messages, MissingToolError.
    """
    board = board.for_uf2() if uf2 else board
    app_sources = sorted(app_dir.glob("*.c"))
    if not app_sources:
        raise ProjectError(f"`{app_dir}` holds no C files", hint="copy main.c from the template, apps/kws/firmware")
    compiler = select(compiler_name, board.isa)
    config_dir, objects_dir = out_dir / "config", objects_dir or out_dir / f"obj-{compiler_name}"
    write_text(config_dir / "app_config.h", config.header())
    native = not board.isa.target
    shared = (*board.c_include_dirs, features.include_dir)
    groups = (
        _Group(board.c_sources, shared),
        _Group(RUNTIME_SOURCES, (RUNTIME_DIR,)),
        _Group(features.sources, (features.include_dir,)),
        _Group(model.sources, (model.include_dir,)),
        _Group(app_sources, (*shared, RUNTIME_DIR, model.include_dir, config_dir, app_dir)),
    )
    defines = (*board.c_defines, "main=app_main") if native else board.c_defines
    objects = [
        path for group in groups
        for path in compiler.compile([Object(s) for s in group.sources], objects_dir,
                                     include_dirs=group.include_dirs, defines=defines)
    ]  # fmt: skip
    if native:
        suffix = ".exe" if sys.platform == "win32" else ""
        program = _link(compiler, objects, out_dir / f"{config.name}{suffix}", ())
        return Image(program, None, (), 0, 0, ())
    elf = out_dir / f"{config.name}{'-uf2' if uf2 else ''}.elf"
    _link_image(compiler, objects, elf, board, config.name, peak)
    check_no_soft_float(elf, board)
    segments = [(segment.address, segment.data) for segment in load_segments(elf)]
    write_text(elf.with_suffix(".hex"), intel_hex(segments, entry_point(elf)))
    return measure(elf, elf.with_suffix(".hex"), board)


def _link_image(
    compiler: Compiler, objects: Sequence[Path], elf: Path, board: Board, name: str, peak: Peak | None
) -> None:
    """Link; an image that does not fit is linked again into enlarged memories to say what is too big."""
    try:
        _link(compiler, objects, elf, _image_flags(compiler, elf.with_suffix(".ld"), board, 1))
    except ProjectError as error:
        if not any("overflowed" in line for line in error.details):
            raise
        enlarged = elf.with_suffix(".enlarged.elf")
        flags = _image_flags(compiler, enlarged.with_suffix(".ld"), board, _ENLARGED)
        compiler.link(objects, enlarged, flags=flags)
        try:
            raise over_budget(name, enlarged, board, peak) or error from None
        finally:
            enlarged.unlink()


def _image_flags(compiler: Compiler, script: Path, board: Board, scale: int) -> tuple[str, ...]:
    write_text(script, linker_script(board, scale=scale))
    # zig's compiler-rt follows the -O of the link: small is enough for the little that is used of it.
    return (*_LINK_FLAGS, "-T", str(script), *(("-Os",) if compiler.name == "zig" else ()))


def _link(compiler: Compiler, objects: Sequence[Path], out: Path, flags: Sequence[str]) -> Path:
    """Link unless `out` came from the same objects, whose names carry the hash of their content."""
    script = [Path(f).read_text(encoding="utf-8") for f in flags if f.endswith(".ld")]
    key = hashlib.sha256(repr((compiler, [o.name for o in objects], flags, script)).encode()).hexdigest()
    stamp = out.with_name(out.name + ".link")
    if out.exists() and stamp.exists() and stamp.read_text() == key:
        return out
    stamp.unlink(missing_ok=True)
    compiler.link(objects, out, flags=flags)
    write_text(stamp, key)
    return out
