"""Building images: both compilers, caching, sizes, reproducible bytes, and what does not fit."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tinyml.board import load_board
from tinyml.compiler import Peak, Placement
from tinyml.errors import OverBudgetError, ProjectError
from tinyml.firmware import Image, build

COMPILERS = [
    "zig",
    pytest.param("gcc", marks=pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="no arm gcc")),
]
LIVE = (Placement("conv2d_2", 0, 200_000, 2, 3), Placement("conv2d_3", 200_000, 99_000, 3, 4))
PEAK = Peak("conv2d_3", 299_000, LIVE, "conv2d_5", 120_000)


def make(parts, out: Path, compiler: str = "zig", **changes: object) -> Image:
    options = {k: changes.pop(k) for k in ("uf2", "peak", "board") if k in changes}
    chosen = replace(parts, **changes)
    board = options.pop("board", load_board("nrf52840"))
    return build(board, compiler, chosen.app_dir, chosen.features, chosen.model, chosen.config, out, **options)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that keeps objects between the tests of this file."""
    return tmp_path_factory.mktemp("built")


@pytest.mark.parametrize("compiler", COMPILERS)
def test_image_fits_and_is_measured(parts, built: Path, compiler: str) -> None:
    image = make(parts, built / compiler, compiler)
    sizes = {s.name: s.size_bytes for s in image.sections}
    assert sizes[".vectors"] == 256 and sizes[".stack"] == 4096 and sizes[".arena"] == 2048
    assert sum(sizes[s] for s in (".stack", ".arena", ".dma", ".bss")) <= image.ram_bytes < 24_000
    assert sizes[".text"] + sizes[".rodata"] < image.flash_bytes < 16_000
    stack = next(s for s in image.sections if s.name == ".stack")
    assert stack.address == 0x2000_0000, "what overruns the stack must leave the RAM"
    names = [s.name for s in image.biggest]
    assert "blocks" in names and [s.size_bytes for s in image.biggest] == sorted(
        (s.size_bytes for s in image.biggest), reverse=True
    )


def test_a_changed_threshold_compiles_one_file(parts, built: Path, configured: Callable) -> None:
    first = make(parts, built / "zig")
    before = {p: p.stat().st_mtime_ns for p in (built / "zig").rglob("*.o")}
    hex_before = first.hex.read_text()
    changed = make(parts, built / "zig", config=configured(threshold=0.9))
    new = [p.name for p in (built / "zig").rglob("*.o") if p not in before]
    assert len(new) == 1 and new[0].startswith("main-")
    assert all(p.stat().st_mtime_ns == t for p, t in before.items())
    assert changed.hex.read_text() != hex_before
    assert make(parts, built / "zig").hex.read_text() == hex_before


def test_nothing_is_done_when_nothing_changed(parts, built: Path) -> None:
    image = make(parts, built / "zig")
    stamps = [p.stat().st_mtime_ns for p in (image.elf, image.hex)]
    assert make(parts, built / "zig") == image
    assert [p.stat().st_mtime_ns for p in (image.elf, image.hex)] == stamps


def test_an_interrupted_link_is_not_trusted(parts, built: Path, configured: Callable) -> None:
    image = make(parts, built / "zig")
    good = image.hex.read_text()
    make(parts, built / "zig", config=configured(threshold=0.9))
    stamp = image.elf.with_name(image.elf.name + ".link")
    stamp.unlink()  # as when the process died between the file and its stamp
    assert make(parts, built / "zig").hex.read_text() == good


@pytest.mark.parametrize("compiler", COMPILERS)
def test_the_bytes_do_not_depend_on_the_place(parts, tmp_path: Path, built: Path, compiler: str) -> None:
    moved = {}
    for name in ("features", "model"):
        folder = tmp_path / "elsewhere" / name
        shutil.copytree(getattr(parts, name).include_dir, folder)
        sources = tuple(folder / s.name for s in getattr(parts, name).sources)
        moved[name] = replace(getattr(parts, name), sources=sources, include_dir=folder)
    app = tmp_path / "elsewhere" / "app"
    shutil.copytree(parts.app_dir, app)
    here = make(parts, built / compiler, compiler)
    there = make(parts, tmp_path / "out", compiler, app_dir=app, **moved)
    assert here.hex.read_text() == there.hex.read_text()


def test_uf2_image_starts_behind_the_bootloader(parts, built: Path) -> None:
    image = make(parts, built / "zig", uf2=True)
    assert image.elf.name == "kws-uf2.elf"
    assert min(s.address for s in image.sections) == 0x26000
    assert image.hex.read_text().startswith(":020000040002F8\n:10600000")


def test_too_much_ram_names_the_parts(parts, built: Path, tmp_path: Path, network: Callable) -> None:
    model = network(tmp_path / "m", arena_bytes=300_000)
    with pytest.raises(OverBudgetError, match=r"`kws` does not fit `nrf52840`: RAM needs 31\d,\d\d\d bytes, the board "
                                              r"has 262,144") as caught:  # fmt: skip
        make(parts, built / "zig", model=model, peak=PEAK)
    error = caught.value
    assert error.exit_code == 5 and "width_mult" in error.hint
    assert error.hint.startswith("give `conv2d_2` fewer channels")
    assert error.details[2:] == PEAK.details
    assert error.details[0].startswith("arena 300,000 (peak at conv2d_3), DMA buffers 6,784")
    assert "arena 300,000" in error.details[1]
    assert not list((built / "zig").glob("*.enlarged.elf"))


@pytest.mark.parametrize("compiler", COMPILERS)
def test_too_much_flash_names_the_weights(
    parts, built: Path, tmp_path: Path, network: Callable, compiler: str
) -> None:
    model = network(tmp_path / "m", weight_bytes=1_100_000)
    with pytest.raises(OverBudgetError, match=r"flash needs 1,11\d,\d\d\d bytes, the board has 1,048,576") as caught:
        make(parts, built / compiler, compiler, model=model)
    assert caught.value.details[0].startswith("weights and tables 1,10")
    assert "m_w_00_weights 1,100,000" in caught.value.details[1]


def test_a_mistake_in_c_is_shown(parts, built: Path, tmp_path: Path) -> None:
    app = tmp_path / "app"
    shutil.copytree(parts.app_dir, app)
    main = app / "main.c"
    main.write_text(main.read_text().replace("hops++;", "hops += 1.5f;"))
    with pytest.raises(ProjectError, match=r"compiling main.c failed") as caught:
        make(parts, built / "zig", app_dir=app)
    assert any("main.c" in line for line in caught.value.details)


def test_a_full_disk_leaves_nothing_half_written(
    parts, built: Path, configured: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = make(parts, built / "zig")
    before = {p: p.read_bytes() for p in (built / "zig").glob("*") if p.is_file()}
    write_text = Path.write_text

    def full(path: Path, text: str, **options: object) -> int:
        if path.suffix == ".hex":
            write_text(path, text[:100])
            raise OSError(errno.ENOSPC, "No space left on device")
        return write_text(path, text, **options)

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(ProjectError, match=r"cannot write `.*kws.hex`: No space left on device") as caught:
        make(parts, built / "zig", config=configured(threshold=0.7))
    assert "free some space" in caught.value.hint
    monkeypatch.undo()
    assert image.hex.read_bytes() == before[image.hex] and not list((built / "zig").glob(".*.partial*"))
    assert make(parts, built / "zig").hex.read_bytes() == before[image.hex]


def test_an_empty_application_is_named(parts, tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="holds no C files"):
        make(parts, tmp_path, app_dir=tmp_path)


def test_floating_point_in_software_is_refused(parts, tmp_path: Path) -> None:
    app = tmp_path / "app"
    shutil.copytree(parts.app_dir, app)
    main = app / "main.c"
    head = "volatile float gain = 1.0f;\nint main(void) {\n    gain *= 3.0f;"
    main.write_text(main.read_text().replace("int main(void) {", head, 1))
    good = load_board("nrf52840")
    assert make(parts, tmp_path / "good", app_dir=app)
    forgetful = replace(good, isa=replace(good.isa, cpu_flags=("-mcpu=cortex_m4",)))
    with pytest.raises(ProjectError, match="floating-point arithmetic in software") as caught:
        make(parts, tmp_path / "bad", app_dir=app, board=forgetful)
    assert "__aeabi_fmul" in caught.value.details[0]
