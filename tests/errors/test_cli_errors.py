"""Bad command lines and projects: one clear error on stderr, a hint, the documented exit code, nothing written."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tinyml.resources import apps_dir

HIDE = """
import sys

class Hidden:
    def __init__(self, name):
        self.name = name

    def find_spec(self, fullname, path=None, target=None):
        if fullname.split(".")[0] == self.name:
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)
        return None
"""
GOOD = (apps_dir() / "kws" / "tinyml.toml").read_text()


def tinyml(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "tinyml.cli.main", *arguments], cwd=folder, capture_output=True,
                          text=True, check=False)  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "code", "message", "hint"),
    [
        (["new", "kwz"], 1, "there is no template `kwz`", "did you mean `kws`?"),
        (["new", "kws", "--board", "nrf52804"], 1, "nrf52804", "nrf52840"),
        (["new", "kws", "--board", "stm32f746g_disco"], 1, "no firmware for `stm32f746g_disco` yet", "tinyml search"),
        (["train"], 1, "holds no tinyml.toml", "tinyml new kws"),
        (["deploy", "--to"], 2, "requires an argument", ""),
        (["flash"], 2, "No such command", ""),
        (["bench"], 1, "there is no MODEL, and", "tinyml bench model.tflite"),
        (["export", "m.tir", "out", "--isa", "avr"], 2, "there is no instruction set `avr`", "armv7e-m"),
        (["export", "m.tir", "out"], 1, "there is no model `m.tir`", ".tflite"),
        (["import", "m.tir"], 1, "neither a .tflite nor an .onnx", "`tinyml bench m.tir`"),
        (["import", "m.onnx", "--calibrate", "d", "--method", "mean"], 2, "calibration method `mean`", "percentile"),
        (["import", "m.onnx", "--calibrate", "d", "--percentile", "3"], 2, "percentile 3 is outside (50, 100]", ""),
        (["bench", "m.tflite", "--picture", "plan.jpg"], 2, "`plan.jpg` is neither .png nor .svg", ""),
        (["data", "synth", "--words", "yes"], 2, "--words and --out belong together", "--out clips"),
        (["data", "synth", "--words", "yes,%%", "--out", "clips"], 1, "%%", ""),
    ],
)
def test_one_clear_error(tmp_path: Path, arguments: list[str], code: int, message: str, hint: str) -> None:
    done = tinyml(tmp_path, *arguments)
    assert done.returncode == code, done.stderr
    said = " ".join(done.stderr.split())
    assert message in said
    assert hint in said
    assert "Traceback" not in done.stderr
    assert not done.stdout
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_empty_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "kws").mkdir()
    (tmp_path / "kws" / "mine.txt").write_text("precious")
    done = tinyml(tmp_path, "new", "kws")
    assert done.returncode == 1
    assert "not empty" in done.stderr and "hint:" in done.stderr
    assert [p.name for p in (tmp_path / "kws").iterdir()] == ["mine.txt"]


def test_new_makes_a_project(tmp_path: Path) -> None:
    done = tinyml(tmp_path, "new", "kws", "hears", "--board", "nrf52840", "--words", "on, off", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["folder"] == str(tmp_path / "hears")
    made = {p.name for p in (tmp_path / "hears").iterdir()}
    assert made == {".gitignore", "README.md", "firmware", "network.toml", "tinyml.toml"}
    assert 'words = ["on", "off"]' in (tmp_path / "hears" / "tinyml.toml").read_text()
    assert [p.name for p in tmp_path.iterdir()] == ["hears"]


def test_deploy_without_a_probe_names_the_other_ways(tmp_path: Path) -> None:
    tinyml(tmp_path, "new", "kws")
    done = tinyml(tmp_path / "kws", "deploy")
    assert done.returncode == 4
    assert "--to virtual" in done.stderr and "--to uf2" in done.stderr
    assert not (tmp_path / "kws" / "build").exists()


@pytest.mark.parametrize(
    "command", ["train", "build", "deploy", "deploy --to virtual", "deploy --to pyocd", "deploy --dry-run"]
)
def test_a_board_without_firmware_is_refused_before_anything_is_made(tmp_path: Path, command: str) -> None:
    tinyml(tmp_path, "new", "kws")
    (tmp_path / "kws" / "tinyml.toml").write_text(GOOD.replace('name = "nrf52840"', 'name = "nucleo_h743zi"', 1))
    done = tinyml(tmp_path / "kws", *command.split())
    assert done.returncode == 1, done.stderr
    assert "there is no firmware for `nucleo_h743zi` yet" in " ".join(done.stderr.split())
    assert "hint:" in done.stderr and "Traceback" not in done.stderr and not done.stdout
    assert not (tmp_path / "kws" / "build").exists()


def test_bench_of_a_project_names_the_missing_virtual_board_first(tmp_path: Path) -> None:
    tinyml(tmp_path, "new", "kws")
    done = tinyml(tmp_path / "kws", "bench", "--board", "stm32f412")
    assert done.returncode == 1 and "there is no virtual board for `stm32f412`" in " ".join(done.stderr.split())
    assert not (tmp_path / "kws" / "build").exists()


@pytest.mark.parametrize(
    ("old", "new", "verb", "code", "message"),
    [
        ("threshold = 0.8", "treshold = 0.8", "build", 1, "did you mean `detect.threshold`?"),
        ('name = "nrf52840"', 'name = "nrf5284"', "build", 1, "nrf52840"),
        ('sources = ["synth"]', 'sources = ["mine"]', "train", 1, "tinyml data import DIR --name mine"),
        ('architecture = "network.toml"', 'arch = "ds_cmm"', "train", 1, "ds_cnn"),
        ('architecture = "network.toml"', 'module = "model.py:build"', "train", 1, "model.py"),
    ],
)
def test_a_wrong_project_is_refused(
    tmp_path: Path, old: str, new: str, verb: str, code: int, message: str
) -> None:
    tinyml(tmp_path, "new", "kws")
    assert old in GOOD
    (tmp_path / "kws" / "tinyml.toml").write_text(GOOD.replace(old, new, 1))
    done = tinyml(tmp_path / "kws", verb)
    assert done.returncode == code, done.stderr
    assert message in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_help_does_not_import_heavy_packages() -> None:
    heavy = ("torch", "torchaudio", "unicorn", "matplotlib", "scipy", "onnx", "pyocd")
    code = f"import sys, tinyml.cli.main; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("module", "arguments", "extra"),
    [
        ("torch", ["train"], "train"),
        ("espeakng_loader", ["data", "synth"], "speech"),
        ("unicorn", ["bench", "x.tir"], "sim"),
    ],
)
def test_a_missing_extra_is_named_with_its_command(
    tmp_path: Path, module: str, arguments: list[str], extra: str
) -> None:
    tinyml(tmp_path, "new", "kws")
    code = f"{HIDE}\nsys.meta_path.insert(0, Hidden({module!r}))\nimport tinyml.cli.main as m\nm.run()"
    done = subprocess.run([sys.executable, "-c", code, *arguments], cwd=tmp_path / "kws", capture_output=True,
                          text=True, check=False)  # fmt: skip
    assert done.returncode == 3, done.stderr
    assert f'pip install "tinyml[{extra}]"' in done.stderr
    assert "Traceback" not in done.stderr


def test_a_missing_compiler_is_named_with_its_command(tmp_path: Path) -> None:
    from tinyml.board import load_board
    from tinyml.errors import MissingToolError
    from tinyml.toolchain import select

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(tmp_path))
        with pytest.raises(MissingToolError, match="arm-none-eabi-gcc") as caught:
            select("gcc", load_board("nrf52840").isa)
    assert caught.value.exit_code == 3 and "apt-get install gcc-arm-none-eabi" in (caught.value.hint or "")
