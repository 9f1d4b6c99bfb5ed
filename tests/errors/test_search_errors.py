"""What cannot be searched for is refused before anything is made: space files, options, boards, networks."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest
import tomlkit

from tinyml.architecture import Block, Geometry, Network, Stem, write_network
from tinyml.artifacts import Stages, Store
from tinyml.board import load_board
from tinyml.budgets import Budgets
from tinyml.errors import OverBudgetError, ProjectError, no_announcement
from tinyml.nas.space import SearchSpace
from tinyml.nas.space_file import check_front_end, load_space, read_space, shipped_spaces
from tinyml.pipeline import Project
from tinyml.project import load_config
from tinyml.quantities import parse_bytes, parse_milliseconds, parse_seconds
from tinyml.resources import apps_dir
from tinyml.template import create

TINY = Path(__file__).resolve().parents[1] / "tiny_space.toml"
NETWORK = Network(Geometry(39, 20, 1, 25), Stem(8, (3, 3), (2, 2)), (Block((3, 3), (1, 1), 0, 8, False, True),))


def tinyml(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "tinyml.cli.main", *arguments], cwd=folder, capture_output=True,
                          text=True, check=False)  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = create("kws", tmp_path / "kws", board="nrf52840")
    (made / "space.toml").write_text(TINY.read_text())
    return made


# ---- space files -----------------------------------------------------------------------------------------------------


def write_space(space: SearchSpace, path: Path) -> None:
    """A file of every key that `read_space` should read back as the same."""
    table = json.loads(json.dumps(asdict(space)))
    geometries = [{"mel_bins": g.width, "frames": g.height, "hop_ms": int(g.hop_ms)} if g.hop_ms else
                  {"height": g.height, "width": g.width, "channels": g.channels} for g in space.geometries]  # fmt: skip
    if channels := table.pop("head_channels"):
        table["head"] = {"channels": channels}
    path.write_text(tomlkit.dumps({"schema": 1, **table, "geometries": geometries}))


@pytest.mark.parametrize("name", [*shipped_spaces(), str(TINY)])
def test_a_space_is_read_back(name: str, tmp_path: Path) -> None:
    space = load_space(name, tmp_path)
    write_space(space, tmp_path / "copy.toml")
    assert read_space(tmp_path / "copy.toml") == space


def test_ranges_and_short_kernels() -> None:
    space = read_space(TINY)
    assert space.stages[0].depths == (1, 2)
    assert space.stages[0].kernels == ((3, 3), (5, 3))
    assert space.widths == (0.5, 1.0)


@pytest.mark.parametrize(
    ("old", "new", "message", "hint"),
    [
        ("kernels = [3]", "kernels = []", "`stages.1.kernels` is empty", "at least one choice"),
        ("widths = [0.5, 1]", "widths = []", "`widths` is empty", "at least one choice"),
        ("kernels = [3]", "kernels = [4]", r"`stages.1.kernels` has \[4, 4\]", "odd"),
        ("{ min = 1, max = 2 }", "{ min = 3, max = 2 }", "`stages.0.depths`: min 3 is greater than max 2", ""),
        ("{ min = 1, max = 2 }", "{ min = 1, max = 2, step = 0 }", "`stages.0.depths`: the step 0", ""),
        ("{ min = 1, max = 2 }", "{ from = 1, to = 2 }", "`stages.0.depths`: a range is", ""),
        ("depths = [1, 2]", "depths = [0, 2]", "`stages.1.depths` has 0", "1 to 32 blocks"),
        ("stride = [2, 2]\ndepths", "stride = [8, 16]\ndepths", r"`stages.1.stride` is \[8, 16\]", "1 to 8"),
        ("mel_bins = 20, frames", "mel_bins = 2, frames", "smaller than the strides allow.* 1 of 4 .* width", "stride"),
        ("frames = 39", "frames = 2", "smaller than the strides allow: they make 1 of 4 along its height", "stride"),
        ("widths = [0.5, 1]", "widths = [0.5, 0.5]", "`widths` names 0.5 twice", "once"),
        ("{ mel_bins = 20, frames = 39, hop_ms = 25 }", "{ mel_bins = 40, frames = 49, hop_ms = 20 }",
         "`geometries` names 40 mel x 49 frames of 20 ms twice", "once"),
        ("hop_ms = 25", "hop_ms = 12.5", "no whole number of milliseconds", ""),
        ("widths = [0.5, 1]", "widths = [0, 1]", r"the width 0 is outside \(0, 8\]", ""),
        ("widths = [0.5, 1]", "widths = [1, 9]", r"the width 9 is outside \(0, 8\]", ""),
        ("channels = 24", "channels = 0", "`stages.1.channels` is 0", "at least one channel"),
        ("channels = 16\nstride", "channels = -1\nstride", "`stages.0.channels` is -1", "at least one channel"),
        ("depths = [1, 2]", "depths = [1]", "`stages.1` is residual, but has one block at most", "residual = false"),
        ("expansions = [1]", "expansions = [0]", "`stages.1.expansions` has 0", "above 0"),
        ('family = "separable"', 'family = "inverted_residual"\n#', None, ""),
        ("stride = [2, 2] }", "stride = [2, 2], collapse = true }", "the stem collapses the width", "collapse = false"),
        ("stride = [2, 2] }", "stride = [0, 2] }", r"`stem.stride` is \[0, 2\]", ""),
        ("mel_bins = 20, frames = 39, hop_ms = 25", "height = 32, width = 32, channels = 3", "images and spectro", ""),
        ("residual = true", "residul = true", "unknown key `stages.0.residul`", "did you mean `stages.0.residual`?"),
        ('family = "separable"', 'family = "dense"', "`family`", "docs/search-space.md"),
        ("schema = 1", "schema = 7", "`schema`", "docs/search-space.md"),
    ],
)  # fmt: skip
def test_contradictory_spaces(tmp_path: Path, old: str, new: str, message: str | None, hint: str) -> None:
    text = TINY.read_text()
    assert old in text
    (tmp_path / "space.toml").write_text(text.replace(old, new, 1))
    if message is None:  # a change that is allowed
        read_space(tmp_path / "space.toml")
        return
    with pytest.raises(ProjectError, match=message) as caught:
        read_space(tmp_path / "space.toml")
    assert hint in (caught.value.hint or "") and "space.toml" in caught.value.message


@pytest.mark.parametrize(
    ("old", "new", "rate", "message", "hint"),
    [
        ("hop_ms = 25", "hop_ms = 32", 5, "20 mel x 39 frames of 32 ms.*whole number of 32 ms hops", "inferences"),
        ("hop_ms = 25", "hop_ms = 25", 10, None, ""),
        ("hop_ms = 25", "hop_ms = 25", 50, "whole number of 25 ms hops", "inferences_per_second"),
        ("hop_ms = 25", "hop_ms = 40", 5, "hop_ms = 40.0 is 640 samples", "at most one frame"),
        ("mel_bins = 20", "mel_bins = 200", 5, "mel_bins = 200 is not supported", "1 to 128"),
        ("frames = 39", "frames = 5", 5, "at least 8 frames", ""),
    ],
)
def test_what_the_front_end_cannot_serve(
    tmp_path: Path, old: str, new: str, rate: int, message: str | None, hint: str
) -> None:
    (tmp_path / "space.toml").write_text(TINY.read_text().replace(old, new, 1))
    space = read_space(tmp_path / "space.toml")
    if message is None:
        check_front_end(space, sample_rate_hz=16000, frame_ms=32, inferences_per_second=rate)
        return
    with pytest.raises(ProjectError, match=message) as caught:
        check_front_end(space, sample_rate_hz=16000, frame_ms=32, inferences_per_second=rate)
    assert hint in (caught.value.hint or "") and "`tiny` does not suit" in caught.value.message


def test_unknown_spaces(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="no search space `kwz`") as caught:
        load_space("kwz", tmp_path)
    assert "did you mean `kws`?" in (caught.value.hint or "")
    with pytest.raises(ProjectError, match="does not exist"):
        load_space("absent.toml", tmp_path)


def test_a_space_of_images_for_a_project_that_hears(folder: Path) -> None:
    with pytest.raises(ProjectError, match="this is an image, the project hears sound"):
        Project.load(folder).override(search={"space": "vision"}).search_stage.check()


# ---- sizes and times -------------------------------------------------------------------------------------------------


def test_sizes_and_times_as_users_write_them() -> None:
    assert [parse_bytes(t) for t in ("65536", "64k", "64K", "64 kB", "64KiB")] == [65536] * 5
    assert parse_bytes("1.5M") == 1536 * 1024
    assert (parse_milliseconds("40ms"), parse_milliseconds("0.5s")) == (40, 500)
    assert [parse_seconds(t) for t in ("90s", "20m", "1.5h")] == [90, 1200, 5400]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--ram", "64q"], "--ram: `64q` is not a size in bytes such as 65536, 64k or 1M (k = 1024)"),
        (["--ram", "0"], "--ram: `0` is not"),
        (["--flash", "-1k"], "--flash: `-1k` is not"),
        (["--latency", "40"], "--latency: `40` is not a time such as 40ms"),
        (["--budget", "20"], "--budget: `20` is not a time such as 90s, 20m"),
        (["--backend", "dask"], "dask"),
        (["--workers", "0"], "workers"),
        (["--ray-address", "auto"], "--ray-address needs --backend ray"),
    ],
)
def test_malformed_options(folder: Path, arguments: list[str], message: str) -> None:
    done = tinyml(folder, "search", *arguments)
    assert done.returncode == 2, done.stderr
    assert message in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr and not (folder / "build").exists()


# ---- boards and budgets ----------------------------------------------------------------------------------------------


def test_a_board_without_a_time_model(folder: Path) -> None:
    path = folder / "tinyml.toml"
    path.write_text(path.read_text().replace('name = "nrf52840"', 'name = "host"'))
    done = tinyml(folder, "search", "--space", "space.toml")
    assert done.returncode == 1
    assert "`host` has no time model" in done.stderr and "nrf52840" in done.stderr
    assert not (folder / "build").exists()


def test_budgets_that_nothing_meets(tmp_path: Path) -> None:
    store = Store(tmp_path / "build")
    config, board, space = load_config(apps_dir() / "kws"), load_board("nrf52840"), read_space(TINY)

    def measured(**limits: float) -> OverBudgetError:
        budgets = Budgets(config.override(search=limits), board, space, apps_dir() / "kws",
                          Stages(store, no_announcement))  # fmt: skip
        with pytest.raises(OverBudgetError, match="no network of the search space `tiny`") as caught:
            budgets.measured()
        return caught.value

    ram = measured(ram_bytes=16 * 1024)
    assert "RAM" in ram.details[1] and "bytes of 0 (of 16,384, stack" in ram.details[1]
    assert "k of RAM" in ram.hint and "flash" not in ram.hint and "latency" not in ram.hint
    assert "k of flash" in measured(flash_bytes=1024).hint
    latency = measured(latency_ms=0.5)
    assert "ms of 0.5 ms" in latency.details[3] and "of latency" in latency.hint


# ---- the project's network -------------------------------------------------------------------------------------------


def edit(folder: Path, old: str, new: str) -> None:
    path = folder / "tinyml.toml"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))


RATE = "sample_rate_hz = 16000\n"
MODEL = '[model]\narchitecture = "network.toml"'


@pytest.mark.parametrize(
    ("new", "message", "hint"),
    [
        ('arch = "ds_cnn"\narchitecture = "network.toml"', "`model.arch` and `model.architecture` both", "keep one"),
        ('architecture = "network.toml"\nmodule = "m.py:build"', "`model.architecture` and `model.module` both", ""),
        ('architecture = "network.toml"\nwidth_mult = 0.5', "`model.width_mult` does not apply", "remove"),
        ('architecture = "absent.toml"', "absent.toml` does not exist", "tinyml search"),
        ('architecture = "network.toml"\n[search]\nenabled = true\nbudget = "soon"', "`search.budget`.*`soon`", ""),
        ('module = "m.py:build"\n[search]\nenabled = true', "`search.enabled` and `model.module` both", "remove"),
        ('architecture = "mine.toml"\n[search]\nenabled = true', "`search.enabled` and `model.architecture` both", ""),
        ('[search]\nbugdet = "20m"', "unknown key `search.bugdet`", "did you mean `search.budget`?"),
    ],
)  # fmt: skip
def test_contradictory_models(folder: Path, new: str, message: str, hint: str) -> None:
    write_network(NETWORK, folder / "network.toml")
    edit(folder, MODEL, f"[model]\n{new}")
    with pytest.raises(ProjectError, match=message) as caught:
        load_config(folder)
    assert hint in (caught.value.hint or "")


def test_an_architecture_decides_the_geometry(folder: Path) -> None:
    write_network(NETWORK, folder / "network.toml")
    edit(folder, RATE, RATE + "mel_bins = 20\n")
    features = load_config(folder).features
    assert (features.mel_bins, features.window_frames, features.hop_ms) == (20, 39, 25)


def test_features_must_not_contradict_the_network(folder: Path) -> None:
    write_network(NETWORK, folder / "network.toml")
    edit(folder, RATE, RATE + "hop_ms = 20\nmel_bins = 40\n")
    with pytest.raises(ProjectError, match="`features.mel_bins` is 40, the network of network.toml takes 20") as caught:
        load_config(folder)
    assert "remove `mel_bins`" in caught.value.hint


def test_a_network_for_images_is_refused(folder: Path) -> None:
    write_network(Network(Geometry(32, 32, 3), NETWORK.stem, NETWORK.blocks), folder / "network.toml")
    with pytest.raises(ProjectError, match="takes images of 32x32x3, this project hears sound"):
        load_config(folder)


def test_a_network_of_ones_own_is_not_overwritten(folder: Path) -> None:
    write_network(NETWORK, folder / "network.toml")
    before = (folder / "network.toml").read_bytes()
    done = tinyml(folder, "search", "--space", "space.toml")
    assert done.returncode == 1
    assert "network.toml does not come from a search" in done.stderr and "another name" in done.stderr
    assert (folder / "network.toml").read_bytes() == before and not (folder / "build").exists()
