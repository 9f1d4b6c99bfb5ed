"""Every wrong tinyml.toml gets one message that names the key and what to do."""

from __future__ import annotations

import shutil
import tomllib
from pathlib import Path

import pytest

from tinyml.errors import ProjectError
from tinyml.project import load_config, parse_config
from tinyml.resources import apps_dir

GOOD = (apps_dir() / "kws" / "tinyml.toml").read_text()


@pytest.mark.parametrize(
    ("old", "new", "message", "hint"),
    [
        ("threshold = 0.8", "treshold = 0.8", "unknown key `detect.treshold`", "did you mean `detect.threshold`?"),
        ("[train]", "[trian]", "unknown key `trian`", "did you mean `train`?"),
        ("threshold = 0.8", 'threshold = "high"', "`detect.threshold`", "docs/project-file.md"),
        ("threshold = 0.8", "threshold = 1.8", "`detect.threshold`.*less than or equal to 1", "docs/project-file.md"),
        ("steps = 900", "steps = 0", "`train.steps`.*greater than 0", "docs/project-file.md"),
        ("schema = 1", "schema = 2", "`schema`", "docs/project-file.md"),
        ('words = ["yes", "no", "up", "down"]', "words = []", "`data.words` is empty", "at least one word"),
        ('words = ["yes", "no"', 'words = ["yes", "yes"', "repeats or reserves yes", "made for you"),
        ('words = ["yes", "no"', 'words = ["silence", "no"', "repeats or reserves silence", "made for you"),
        ("[detect] ", "[detect]\ninferences_per_second = 7 ", "7 inferences a second", "1, 2, 5, 10, 25 or 50"),
        ("schema = 1", "schema = ", "not valid TOML", None),
    ],
)
def test_wrong_keys_are_named(tmp_path: Path, old: str, new: str, message: str, hint: str | None) -> None:
    assert old in GOOD
    shutil.copy(apps_dir() / "kws" / "network.toml", tmp_path)
    (tmp_path / "tinyml.toml").write_text(GOOD.replace(old, new, 1))
    with pytest.raises(ProjectError, match=message) as caught:
        load_config(tmp_path)
    assert hint is None or hint in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("teachers", "message", "hint"),
    [
        ("{ arc = 'ds_cnn' }", "unknown key `train.teachers.0.arc`", "did you mean `train.teachers.0.arch`?"),
        ("{ arch = 'ds_cnn', module = 'm.py:f' }", "`.*0.arch` and `.*0.module` both name", "keep one of them"),
        ("{ architecture = 'network.toml', width_mult = 2.0 }", "`.*0.width_mult` does not apply", "every channel"),
        ("{ architecture = 'none.toml' }", "none.toml` does not exist", "correct the key that names it"),
    ],
)
def test_wrong_teachers_are_named(tmp_path: Path, teachers: str, message: str, hint: str) -> None:
    shutil.copy(apps_dir() / "kws" / "network.toml", tmp_path)
    (tmp_path / "tinyml.toml").write_text(GOOD.replace("[train]", f"[train]\nteachers = [{teachers}]"))
    with pytest.raises(ProjectError, match=message) as caught:
        load_config(tmp_path)
    assert hint in (caught.value.hint or "")


def test_a_search_decides_the_input_so_a_file_cannot_teach(tmp_path: Path) -> None:
    shutil.copy(apps_dir() / "kws" / "network.toml", tmp_path)
    teachers = "[search]\nenabled = true\n[train]\nteachers = [{}, { architecture = 'big.toml' }]"
    (tmp_path / "tinyml.toml").write_text(GOOD.replace("[train]", teachers))
    with pytest.raises(ProjectError, match="big.toml cannot teach a network that is searched for") as caught:
        load_config(tmp_path)
    assert "an `arch` in `train.teachers.1`, or `network.toml`" in (caught.value.hint or "")


def test_a_teacher_has_the_projects_input(tmp_path: Path) -> None:
    own = (apps_dir() / "kws" / "network.toml").read_text()
    (tmp_path / "network.toml").write_text(own)
    (tmp_path / "big.toml").write_text(own.replace("mel_bins = 40", "mel_bins = 24"))
    path = tmp_path / "tinyml.toml"
    path.write_text(GOOD.replace("[train]", "[train]\nteachers = [{ architecture = 'big.toml' }]"))
    with pytest.raises(ProjectError, match="big.toml takes 24 mel x .* cannot teach one that takes 40 mel x") as caught:
        load_config(tmp_path)
    assert "`train.teachers.0`" in (caught.value.hint or "")
    (tmp_path / "big.toml").write_text(own)
    assert load_config(tmp_path).train.teachers[0].title == "big.toml"


def test_a_missing_key_is_named() -> None:
    table = tomllib.loads(GOOD)
    del table["data"]["words"]
    with pytest.raises(ProjectError, match=r"`data.words` is missing"):
        parse_config(table, Path("tinyml.toml"))


def test_a_folder_without_a_project(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match=r"holds no tinyml.toml") as caught:
        load_config(tmp_path)
    assert "tinyml new" in (caught.value.hint or "")
