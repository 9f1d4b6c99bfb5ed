"""The search as a stage: around a search that finds the smallest network at once, everything else is real."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tinyml.architecture import read_network, write_network
from tinyml.board import load_board
from tinyml.compiler.cost import NetworkCost
from tinyml.errors import ProjectError
from tinyml.ir.tensor import QuantParams
from tinyml.models import build, build_architecture
from tinyml.nas.costing import Costs
from tinyml.nas.hand_made import WIDTHS, cost_of, scaled, within
from tinyml.nas.record import Counts, Evaluated, SearchRecord, SpaceResult
from tinyml.nas.space import architecture, extreme
from tinyml.pipeline import Project
from tinyml.project import load_config
from tinyml.resources import apps_dir
from tinyml.search_finish import finish
from tinyml.search_stage import HAND_MADE, SearchOptions
from tinyml.template import create

TINY = Path(__file__).resolve().parents[1] / "tiny_space.toml"
COUNTS = Counts(**dict.fromkeys((f.name for f in fields(Counts)), 2))


@dataclass
class FoundAtOnce:
    """Stands for `tinyml.nas.search.search`: the smallest network of the second geometry, weights drawn from a seed."""

    tasks: list[Any] = field(default_factory=list)
    stops: bool = False

    def __call__(self, task: Any, *, progress: Any, announce: Any) -> SearchRecord:
        self.tasks.append(task)
        task.work.mkdir(parents=True, exist_ok=True)
        if self.stops:
            (task.work / "half.txt").write_text("half")
            raise KeyboardInterrupt
        genome = extreme(task.space, largest=False, geometry=1, width=0)
        cost = Costs(task.space, task.classes, task.isa).cost(genome)
        module = build_architecture(architecture(task.space, genome, task.classes), seed=42)
        torch.save(module.state_dict(), task.work / "chosen.pt")
        return SearchRecord(
            task.board, task.seed, task.classes, task.counts, task.space, task.budgets,
            (SpaceResult((1, 0), 2, (cost.macs, cost.macs)),), ((1, 0),), (1.0,),
            (Evaluated(genome, 0.5, cost),), (0,), 0,
        )  # fmt: skip


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> FoundAtOnce:
    import tinyml.nas.calibration
    import tinyml.nas.search
    import tinyml.report.search_report

    searching = FoundAtOnce()
    monkeypatch.setattr(tinyml.nas.search, "search", searching)
    monkeypatch.setattr(tinyml.nas.calibration, "measure", lambda *_, **__: None)
    monkeypatch.setattr(tinyml.nas.calibration, "counts_for", lambda *_: COUNTS)
    monkeypatch.setattr(tinyml.report.search_report, "write_search_report",
                        lambda record, path, progress, board: path.write_text("report") and path)  # fmt: skip
    return searching


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with its data; tests that change it copy it."""
    folder = create("kws", tmp_path_factory.mktemp("search") / "kws", board="nrf52840", words=["yes", "no"])
    (folder / "space.toml").write_text(TINY.read_text())
    path = folder / "tinyml.toml"
    text = path.read_text().replace('sources = ["synth"]', 'sources = ["synth"]\nclips = 60\ncopies = 1', 1)
    text = text.replace("steps = 900", "steps = 2\nbatch_size = 8", 1)
    assert (searched := 'architecture = "network.toml"') in text
    text = text.replace(searched, 'arch = "ds_cnn"').replace("frame_ms = 32", "frame_ms = 32\nmel_bins = 40", 1)
    (folder / "network.toml").unlink()
    path.write_text(text + '\n[search]\nspace = "space.toml"  # my own\nbudget = "1m"\n')
    _ = Project.load(folder).manifests
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "kws"))


def test_the_network_becomes_the_projects(folder: Path, found: FoundAtOnce) -> None:
    outcome = Project.load(folder).search()
    config, network = load_config(folder), read_network(folder / "network.toml")
    assert network == outcome.network and network.found is not None
    assert config.model.architecture == "network.toml" and config.model.arch is None
    assert (config.features.mel_bins, config.features.window_frames, config.features.hop_ms) == (20, 39, 25)
    text = (folder / "tinyml.toml").read_text()
    assert "# my own" in text and "mel_bins" not in text and "arch =" not in text
    assert network.found.command == "tinyml search --space space.toml --budget 1m --seed 0"
    assert network.found.ram_bytes == outcome.budget.ram_bytes > outcome.chosen.cost.arena_bytes
    assert outcome.searched.report_file.read_text() == "report"


def test_what_is_asked_of_the_search(folder: Path, found: FoundAtOnce) -> None:
    Project.load(folder).override(search={"seed": 5, "spaces": 2}).search(SearchOptions("ray", 3, "auto"))
    task = found.tasks[0]
    assert (task.seed, task.kept_spaces, task.classes, task.counts) == (5, 2, 4, COUNTS)
    assert (task.backend, task.workers, task.ray_address) == ("ray", 3, "auto")
    assert len(task.budgets) == 2
    train, val = task.examples(task.space.geometries[1])
    assert train.x.shape[1:] == val.x.shape[1:] == (39, 20) and len(train) > len(val) > 0
    other, _ = task.examples(task.space.geometries[0])
    assert other.x.shape[1:] == (49, 40)
    assert np.array_equal(other.y, train.y) and np.array_equal(other.clip, train.clip)


def test_a_finished_search_is_taken_and_a_changed_one_runs(folder: Path, found: FoundAtOnce) -> None:
    first = Project.load(folder).search()
    assert Project.load(folder).search().network == first.network
    assert len(found.tasks) == 1
    assert Project.load(folder).override(search={"seed": 1}).search().network.found.seed == 1
    Project.load(folder).search(SearchOptions(restart=True))
    assert len(found.tasks) == 3


@pytest.mark.parametrize(
    "sections",
    [
        {"search": {"budget": "2m"}}, {"search": {"ram_bytes": 50000}}, {"limits": {"duty": 0.4}},
        {"board": {"name": "stm32f412"}}, {"data": {"copies": 2}}, {"detect": {"inferences_per_second": 2}},
    ],
)  # fmt: skip
def test_what_makes_a_search_stale(folder: Path, sections: dict[str, dict[str, object]]) -> None:
    before, after = Project.load(folder), Project.load(folder).override(**sections)
    assert before.search_stage.key != after.search_stage.key
    for unrelated in ({"detect": {"threshold": 0.3}}, {"train": {"steps": 9}}, {"search": {"enabled": True}}):
        assert Project.load(folder).override(**unrelated).search_stage.key == before.search_stage.key


def test_a_stopped_search_goes_on_with_the_same_counts(
    folder: Path, found: FoundAtOnce, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tinyml.nas.calibration

    found.stops = True
    with pytest.raises(KeyboardInterrupt):
        Project.load(folder).search()
    assert not (folder / "network.toml").exists()
    work = found.tasks[0].work
    assert (work / "half.txt").is_file()
    monkeypatch.setattr(tinyml.nas.calibration, "measure", lambda *_, **__: pytest.fail("calibrated again"))
    found.stops = False
    Project.load(folder).search()
    assert found.tasks[1].work == work and found.tasks[1].counts == COUNTS
    assert not work.exists() and (folder / "network.toml").is_file()


def test_damaged_files_name_the_restart(folder: Path, found: FoundAtOnce, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Project.load(folder).search_stage
    stage.work.mkdir(parents=True)
    (stage.work / "counts.json").write_text('{"population": ')
    with pytest.raises(ProjectError, match="is damaged") as caught:
        Project.load(folder).search()
    assert "tinyml search --restart" in caught.value.hint
    Project.load(folder).search(SearchOptions(restart=True))
    assert (folder / "network.toml").is_file()

    def damaged(task: Any, **_: Any) -> None:
        raise ProjectError(f"{task.work / 'supernet.ckpt'} is not a checkpoint", hint="delete it and train again")

    import tinyml.nas.search

    monkeypatch.setattr(tinyml.nas.search, "search", damaged)
    with pytest.raises(ProjectError, match="is not a checkpoint") as caught:
        Project.load(folder).override(search={"seed": 9}).search()
    assert caught.value.hint == "start over with `tinyml search --restart`"


# ---- the network behind it -------------------------------------------------------------------------------------------


def test_training_starts_from_the_supernets_weights(
    folder: Path, found: FoundAtOnce, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tinyml import train

    Project.load(folder).search()
    project, started = Project.load(folder), []
    real = train.start_from
    monkeypatch.setattr(train, "start_from", lambda model, weights: started.append(weights) or real(model, weights))
    fine_tuned, key = project.trained, project.keys.train
    assert started == [project.keys.starting_weights]
    started[0].rename(started[0].with_suffix(".gone"))
    scratch = Project.load(folder)
    assert scratch.keys.starting_weights is None and scratch.keys.train != key
    assert len(started) == 1 and any(not torch.equal(v, scratch.trained.weights[k])
                                     for k, v in fine_tuned.weights.items())  # fmt: skip


def test_a_network_that_is_taught_starts_from_scratch(folder: Path, found: FoundAtOnce) -> None:
    Project.load(folder).search()
    taught = Project.load(folder).override(train={"teachers": ({"architecture": "network.toml"},)})
    assert taught.keys.starting_weights is None
    (teacher,) = taught.config.of_teachers
    assert Project.load(folder).override(train=vars(teacher.train)).keys.starting_weights is not None


def test_teachers_of_one_input_are_refused_before_a_search(folder: Path, found: FoundAtOnce) -> None:
    shutil.copy(apps_dir() / "kws" / "network.toml", folder / "big.toml")
    path = folder / "tinyml.toml"
    path.write_text(path.read_text().replace("[train]", "[train]\nteachers = [{ architecture = 'big.toml' }]"))
    with pytest.raises(ProjectError, match="big.toml cannot teach a network that is searched for"):
        Project.load(folder).search()
    assert found.tasks == []


def test_the_time_of_teachers_is_part_of_a_searchs(
    folder: Path, found: FoundAtOnce, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tinyml.nas.calibration

    asked: list[int] = []
    monkeypatch.setattr(tinyml.nas.calibration, "counts_for", lambda *args: asked.append(args[-1]) or COUNTS)
    for seed, teachers in enumerate(((), ({},), ({}, {}))):
        Project.load(folder).override(search={"seed": seed}, train={"teachers": teachers, "steps": 100}).search()
    assert [steps - asked[0] for steps in asked] == [0, 3 * 25 + 2 * 100, 3 * 50 + 4 * 100]


def test_an_edited_network_is_trained_from_scratch(folder: Path, found: FoundAtOnce) -> None:
    Project.load(folder).search()
    key, network = Project.load(folder).keys.train, read_network(folder / "network.toml")
    write_network(replace(network, found=replace(network.found, date="2027-01-01")), folder / "network.toml")
    assert Project.load(folder).keys.train == key
    write_network(replace(network, head_channels=48), folder / "network.toml")
    edited = Project.load(folder)
    assert edited.keys.starting_weights is None and edited.keys.train != key
    write_network(network, folder / "network.toml")
    project = Project.load(folder)
    assert project.keys.train == key and project.keys.starting_weights is not None
    assert project.override(data={"words": ("yes", "up")}).keys.starting_weights is None


def test_damaged_weights_are_trained_from_scratch_by_their_hash(folder: Path, found: FoundAtOnce) -> None:
    searched = Project.load(folder).search().searched
    searched.weights_file.write_bytes(b"no weights")
    assert Project.load(folder).keys.starting_weights is None


def test_enabled_searches_before_training_and_again_when_stale(folder: Path, found: FoundAtOnce) -> None:
    path = folder / "tinyml.toml"
    path.write_text(path.read_text().replace("[search]", "[search]\nenabled = true"))
    project = Project.load(folder)
    assert ("search", False) in project.stage_states()
    result = project.train().trained
    assert len(found.tasks) == 1 and result.steps == 2
    assert project.features.mel_bins == 20 and project.config.features.hop_ms == 25
    again = Project.load(folder)
    assert ("search", True) in again.stage_states() and ("train", True) in again.stage_states()
    again.train()
    assert len(found.tasks) == 1
    path.write_text(path.read_text().replace('budget = "1m"', 'budget = "2m"'))
    Project.load(folder).train()
    assert len(found.tasks) == 2


def test_enabled_refuses_a_bad_space_before_the_data(folder: Path, found: FoundAtOnce) -> None:
    path = folder / "tinyml.toml"
    path.write_text(path.read_text().replace("[search]", "[search]\nenabled = true"))
    (folder / "space.toml").write_text(TINY.read_text().replace("kernels = [3]", "kernels = [2]"))
    with pytest.raises(ProjectError, match="contradicts itself"):
        Project.load(folder).train()
    assert not (folder / "build" / "examples").exists()


# ---- the command -----------------------------------------------------------------------------------------------------


def test_a_dry_run_shows_what_is_left(folder: Path) -> None:
    done = subprocess.run([sys.executable, "-m", "tinyml.cli.main", "search", "--dry-run", "--ram", "40k", "--json"],
                          cwd=folder, capture_output=True, text=True, check=True)  # fmt: skip
    shown = json.loads(done.stdout)
    assert shown["board"] == "nrf52840" and shown["space"] == "tiny"
    assert all(0 < row["ram_bytes"] < 40 * 1024 for row in shown["budgets"])
    assert not (folder / "network.toml").exists()


def run(folder: Path, *arguments: str) -> Any:
    from typer.testing import CliRunner

    from tinyml.cli.main import app

    return CliRunner().invoke(app, ["search", "-C", str(folder), *arguments])


def test_the_command_tells_what_it_found(folder: Path, found: FoundAtOnce) -> None:
    summary = json.loads(run(folder, "--latency", "50ms", "--json").stdout)
    assert summary["pareto"] == summary["evaluations"] == 1
    assert summary["chosen"]["cost"]["arena_bytes"] < summary["chosen"]["budget"]["ram_bytes"]
    assert Path(summary["network"]) == folder / "network.toml" and Path(summary["report"]).is_file()
    assert "--latency 50ms" in read_network(folder / "network.toml").found.command
    plain = run(folder)
    assert plain.exit_code == 0


def test_ctrl_c_says_how_to_go_on(folder: Path, found: FoundAtOnce) -> None:
    found.stops = True
    assert run(folder).exit_code == 130
    assert not (folder / "network.toml").exists()


def test_what_becomes_of_the_network_is_added_to_the_record(folder: Path, found: FoundAtOnce) -> None:
    project = Project.load(folder).override(train={"steps": 2}, quant={"qat_steps": 1})
    outcome = project.search()
    record = finish(project, outcome)
    cost, final = outcome.chosen.cost, record.final
    assert final.arena_bytes == cost.arena_bytes
    # Less the caller; two steps of training leave scores of any scale, which the softmax's table follows.
    assert final.flash_bytes - 100 == pytest.approx(cost.flash_bytes, abs=0.02 * cost.flash_bytes + 250)
    assert final.measured_cycles == pytest.approx(cost.cycles, rel=0.05)
    assert 0 <= final.int8_accuracy <= 1 and 0 <= final.float_accuracy <= 1
    assert all(b.cost.cycles <= cost.cycles and b.cost.arena_bytes <= cost.arena_bytes for b in record.baselines)
    assert finish(project, outcome) == record == SearchRecord.load(outcome.searched.finished_file)


@pytest.mark.parametrize(("files", "said"), [(("network.toml",), ", 1 of 2 teachers"), ((), "")])
def test_hand_made_networks_have_the_teachers_that_hear_what_they_do(
    folder: Path, found: FoundAtOnce, monkeypatch: pytest.MonkeyPatch, files: tuple[str, ...], said: str
) -> None:
    import tinyml.nas.hand_made

    cost = NetworkCost(1, 1, 1, 1, 1)
    monkeypatch.setattr(tinyml.nas.hand_made, "scaled", lambda *_, **__: (0.25, cost))
    teachers = ({"arch": "ds_cnn", "width_mult": 0.25}, *({"architecture": file} for file in files))
    project = Project.load(folder).override(train={"steps": 2, "teachers": teachers}, quant={"qat_steps": 1})
    names = [baseline.name for baseline in finish(project, project.search()).baselines]
    assert names == [f"{arch}, width 0.25{said}" for arch in HAND_MADE]
    assert len(project.teachers) == 1 + len(files)


def test_a_board_without_firmware_gets_estimates(folder: Path, found: FoundAtOnce) -> None:
    project = Project.load(folder).override(board={"name": "stm32f412"}, train={"steps": 2}, quant={"qat_steps": 1})
    outcome = project.search()
    final = finish(project, outcome).final
    assert final.measured_cycles is None
    assert final.arena_bytes == outcome.chosen.cost.arena_bytes
    assert final.flash_bytes == pytest.approx(outcome.chosen.cost.flash_bytes, abs=250)  # the softmax's table


def test_hand_made_networks_are_scaled_to_a_cost() -> None:
    isa, quant = load_board("nrf52840").isa, QuantParams((0.5,), 0)
    limit = NetworkCost(0, 1_000_000, 8_000, 0, 0)
    for arch in HAND_MADE:
        width, cost = scaled(arch, (49, 40), 4, limit, input_quant=quant, isa=isa)
        assert within(cost, limit) and cost.cycles > 0.6 * limit.cycles
        wider = cost_of(build(arch, (49, 40), 4, width_mult=width + 0.05), (1, 49, 40), quant, isa)
        assert width == WIDTHS[0] or not within(wider, limit)
    assert scaled("ds_cnn", (49, 40), 4, NetworkCost(0, 1000, 100, 0, 0), input_quant=quant, isa=isa) is None
