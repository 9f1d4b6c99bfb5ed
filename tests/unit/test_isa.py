"""Instruction sets by name: one file each says what kernels may use and how compilers are told."""

from __future__ import annotations

import pytest

from tinyml.board import CORES, load_board, load_isa, named_isa
from tinyml.errors import MissingToolError, ProjectError
from tinyml.toolchain import select


@pytest.mark.parametrize(
    ("name", "dsp", "target"),
    [("armv7e-m", True, "thumb-freestanding-eabihf"), ("armv6-m", False, "thumb-freestanding-eabi"),
     ("rv32", False, "riscv32-freestanding-none"), ("portable", False, "")],
)  # fmt: skip
def test_exports_know_four_instruction_sets(name: str, dsp: bool, target: str) -> None:
    isa = named_isa(name)
    assert (isa.name, isa.dsp, isa.target) == (name, dsp, target)
    assert set(CORES) == {"armv7e-m", "armv6-m", "rv32", "portable"}


def test_a_board_and_its_core_agree() -> None:
    assert load_board("nrf52840").isa == load_isa("cortex-m4")


@pytest.mark.parametrize("cpu", ["cortex-m7", "cortex-m33"])
def test_larger_cores_have_simd_and_a_floating_point_unit(cpu: str) -> None:
    isa = load_isa(cpu)
    assert isa.dsp and isa.fpu


def test_unknown_names_are_errors_with_a_hint() -> None:
    with pytest.raises(ProjectError, match="no core `cortex-m5`") as core:
        load_isa("cortex-m5")
    assert "did you mean" in core.value.hint
    with pytest.raises(ProjectError, match="no instruction set `armv7em`") as isa:
        named_isa("armv7em")
    assert isa.value.hint == "did you mean `armv7e-m`?"


@pytest.mark.parametrize(
    ("cpu", "driver"),
    [("cortex-m0plus", "arm-none-eabi-gcc"), ("rv32imc", "riscv64-unknown-elf-gcc"), ("host", "gcc")],
)
def test_gnu_s_driver_follows_the_core(cpu: str, driver: str, tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingToolError, match=f"`{driver}`"):
        select("gcc", load_isa(cpu))
