"""The whole path on a small project: every stage real, cached by what goes in, ending on the virtual board."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tinyml.errors import DeviceError, OverBudgetError, ProjectError
from tinyml.pipeline import Project
from tinyml.template import create


class Announced:
    """Collects what a project announces."""

    def __init__(self) -> None:
        self.running: list[str] = []

    def __call__(self, stage: str, state: str) -> None:
        if not state.startswith("up to date"):
            self.running.append(stage)


def write_small(folder: Path) -> None:
    path = folder / "tinyml.toml"
    text = path.read_text().replace('sources = ["synth"]', 'sources = ["synth"]\nclips = 240\ncopies = 1', 1)
    text = text.replace("steps = 900", "steps = 30\nbatch_size = 32", 1)
    path.write_text(text + "\n[quant]\nqat_steps = 4\n")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that has been deployed to the virtual board once."""
    made = create("kws", tmp_path_factory.mktemp("pipeline") / "kws", board="nrf52840", words=["yes", "no"])
    write_small(made)
    done = Project.load(made).deploy(to="virtual")
    assert done.run is not None and done.run.result.fault is None
    return made


def opened(folder: Path, **sections: dict[str, object]) -> tuple[Project, Announced]:
    announced = Announced()
    return Project.load(folder, announce=announced).override(**sections), announced


def test_the_image_ran_and_was_measured(folder: Path) -> None:
    project, announced = opened(folder)
    run = project.simulated
    assert "train" not in announced.running
    assert run.result.console.startswith("boot app=kws")
    assert run.result.lost_samples == run.result.missed_deadlines == 0
    assert run.result.invocations >= 5 * int(run.stimulus.seconds) - 5
    assert set(run.result.layers) == {layer.symbol for layer in project.compiled.layers}
    measured, estimated = sum(run.result.layers.values()), project.compiled.cycles
    assert abs(measured - estimated) / measured < 0.15


def test_equal_inputs_give_an_equal_trace(folder: Path) -> None:
    first, second = (opened(folder)[0].simulated.result.trace_sha256 for _ in range(2))
    assert first == second


def test_nothing_changed_rebuilds_nothing(folder: Path) -> None:
    project, announced = opened(folder)
    before = project.image.elf.read_bytes()
    project.deploy(to="virtual")
    assert set(announced.running) <= {"build", "run"}
    assert project.image.elf.read_bytes() == before
    assert all(done for _, done in project.stage_states())


def test_a_threshold_relinks_and_nothing_else(folder: Path) -> None:
    objects = folder / "build" / "build" / "nrf52840" / "objects"
    before = {p.name for p in objects.iterdir()}
    project, announced = opened(folder, detect={"threshold": 0.33})
    assert project.image.elf.is_file()
    assert set(announced.running) == {"build"}
    fresh = {p.name for p in objects.iterdir()} - before
    assert [name.split("-")[0] for name in fresh] == ["main"]


@pytest.mark.parametrize(
    ("sections", "stages"),
    [
        ({"train": {"seed": 1}}, {"train", "quantize", "evaluate", "compile"}),
        ({"quant": {"qat_steps": 5}}, {"quantize", "evaluate", "compile"}),
        ({"data": {"seed": 9}}, {"data", "examples", "train", "quantize", "evaluate", "compile"}),
        ({"detect": {"trace": True}}, set()),
        ({"features": {"mean_removal": False}}, {"examples", "train", "quantize", "evaluate", "compile"}),
    ],
)
def test_a_change_makes_stale_what_depends_on_it(
    folder: Path, sections: dict[str, dict[str, object]], stages: set[str]
) -> None:
    project, _ = opened(folder, **sections)
    assert {stage for stage, done in project.stage_states() if not done} == stages


TEACHERS = ({"arch": "ds_cnn", "width_mult": 0.5}, {"architecture": "network.toml"})


def test_teachers_are_trained_first_each_with_a_seed_of_its_own_and_kept(folder: Path) -> None:
    labels, _ = opened(folder)
    project, announced = opened(folder, train={"teachers": TEACHERS, "steps": 6})
    assert [stage for stage, done in project.stage_states() if not done][:3] == ["train"] * 3
    assert project.train().trained.steps == 6
    assert announced.running == ["train"] * 3
    alone = project.config.of_teachers
    assert [(c.train.seed, c.train.teachers, c.model.title) for c in alone] == [
        (1, (), "ds_cnn x0.5"), (2, (), "network.toml")]  # fmt: skip
    kept, retrained = opened(folder, train=vars(alone[0].train), model=vars(alone[0].model))
    assert kept.trained.steps == 6 and retrained.running == []
    assert project.keys.quantize != labels.keys.quantize
    one, announced = opened(folder, train={"teachers": TEACHERS[:1], "steps": 6})
    assert one.trained.history != project.trained.history and announced.running == ["train"]


def test_a_lesson_that_is_stopped_keeps_its_teachers(folder: Path) -> None:
    def stopped(what: str, done: int, total: int) -> None:
        if what == "training" and total == 7 and project.store.has("train", project.keys.teachers[-1]) and done == 3:
            raise KeyboardInterrupt

    announced = Announced()
    sections = {"train": {"teachers": TEACHERS, "steps": 7}}
    project = Project.load(folder, progress=stopped, announce=announced).override(**sections)
    with pytest.raises(KeyboardInterrupt):
        project.train()
    assert announced.running == ["train"] * 3
    again, announced = opened(folder, **sections)
    again.train()
    assert announced.running == ["train"]


def test_a_taught_network_is_deployed_and_said_to_be_taught(folder: Path, tmp_path: Path) -> None:
    taught = Path(shutil.copytree(folder, tmp_path / "kws"))
    path = taught / "tinyml.toml"
    teachers = 'steps = 6\nteachers = [{ arch = "ds_cnn", width_mult = 0.5 }, { architecture = "network.toml" }]'
    path.write_text(path.read_text().replace("steps = 30", teachers))

    def trained(*options: str) -> str:
        return subprocess.run([sys.executable, "-m", "tinyml.cli.main", "train", *options], cwd=taught,
                              capture_output=True, text=True, check=True).stdout  # fmt: skip

    assert "trained 6 steps, taught by ds_cnn x0.5, network.toml, " in trained()
    assert json.loads(trained("--json"))["teachers"] == ["ds_cnn x0.5", "network.toml"]
    project = Project.load(taught)
    assert project.deploy(to="virtual").run.result.fault is None
    assert "training (float, to answer as its teachers do)" in project.report().read_text()


def test_the_same_network_on_the_host(folder: Path) -> None:
    from tinyml.evaluate.clips import run_host_program
    from tinyml.evaluate.console import scores

    board, _ = opened(folder, detect={"trace": True})
    host, _ = opened(folder, detect={"trace": True}, board={"name": "host"})
    expected = scores(run_host_program(host.image.elf, board.simulated.stimulus.pcm))
    assert len(expected) > 20
    assert scores(board.simulated.result.console)[: len(expected)] == expected


def test_the_bench_is_exact_and_speaks_json(folder: Path) -> None:
    done = subprocess.run([sys.executable, "-m", "tinyml.cli.main", "bench", "--json"], cwd=folder,
                          capture_output=True, text=True, check=True)  # fmt: skip
    result = json.loads(done.stdout)
    assert result["exact"] is True and result["board"] == "nrf52840"
    wanted = {"schema", "model", "board", "compiler", "exact", "cycles", "ms", "macs", "ram_bytes", "arena_bytes",
              "stack_bytes", "code_bytes", "weight_bytes", "flash_bytes", "layers"}  # fmt: skip
    assert wanted <= set(result)
    layer = {"name", "op", "variant", "macs", "cycles", "code_bytes", "weight_bytes", "in_offset", "out_offset",
             "scratch_bytes"}  # fmt: skip
    assert all(layer <= set(row) for row in result["layers"])


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"duty": 0.01}, "busy .* of the time, the limit is 1%"),
        ({"latency_ms": 1.0}, "takes .* ms .* the limit is 1 ms"),
        ({"ram_bytes": 4096}, "RAM needs .* bytes"),
        ({"flash_bytes": 4096}, "flash needs .* bytes"),
    ],
)
def test_every_limit_fails_the_build(folder: Path, limits: dict[str, float], message: str) -> None:
    project, _ = opened(folder, limits=limits)
    with pytest.raises(OverBudgetError, match=message) as caught:
        project.build()
    assert caught.value.exit_code == 5 and caught.value.hint and caught.value.details
    assert ("ram_bytes" in limits) == any("largest buffers there" in line for line in caught.value.details)


def test_the_accuracy_limit_fails_the_deployment(folder: Path) -> None:
    project, _ = opened(folder, limits={"accuracy": 1.0})
    with pytest.raises(OverBudgetError, match="asks for 1.000"):
        project.deploy(to="virtual")


@pytest.mark.parametrize(("to", "message"), [(None, "no way to reach"), ("pyocd", "no debug probe")])
def test_without_a_probe_nothing_is_made(tmp_path: Path, to: str | None, message: str) -> None:
    made = create("kws", tmp_path / "kws", board="nrf52840")
    with pytest.raises(DeviceError, match=message):
        Project.load(made).deploy(to=to)
    assert not (made / "build").exists()


@pytest.mark.parametrize("to", [None, "pyocd", "uf2", "virtual"])
def test_a_dry_run_needs_no_device_and_touches_nothing(folder: Path, tmp_path: Path, to: str | None) -> None:
    lines = opened(folder)[0].plan_deployment(to=to)
    assert "train: up to date" in lines
    assert any(word in "\n".join(lines) for word in ("debug probe", "write", "load"))
    fresh = create("kws", tmp_path / "kws", board="nrf52840")
    assert "train: would run" in Project.load(fresh).plan_deployment(to=to)
    assert not (fresh / "build").exists()


def test_a_board_with_another_microphone_is_refused_early(tmp_path: Path) -> None:
    made = create("kws", tmp_path / "kws", board="nrf52840")
    project, announced = opened(made, needs={"microphone": {"rate_hz": 8000}})
    with pytest.raises(ProjectError, match="needs.microphone.rate_hz"):
        project.train()
    assert announced.running == []


def test_unlicensed_clips_are_not_shipped(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    project, _ = opened(folder)
    manifest = project.manifests["synth"]
    bare = replace(manifest, clips=tuple(replace(clip, licence="") for clip in manifest.clips))
    monkeypatch.setitem(project.manifests, "synth", bare)
    with pytest.raises(ProjectError, match="no licence"):
        project.deploy(to="virtual")
    assert project.check_licences(allow_unlicensed=True) == ["synth"]


def test_the_report_is_one_file(folder: Path) -> None:
    project, _ = opened(folder)
    page = project.report().read_text()
    assert "<html" in page and "http://" not in page.replace("http://www.w3.org", "")
