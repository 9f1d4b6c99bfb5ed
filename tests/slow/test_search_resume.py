"""`tinyml search`, stopped by Ctrl-C and by SIGKILL at odd moments, ends as one that ran through. All of it is real."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import TypeAdapter
from tests.terminal import started

from tinyml.nas.record import Counts, SearchRecord
from tinyml.pipeline import Project
from tinyml.template import create

TINY = Path(__file__).resolve().parents[1] / "tiny_space.toml"
COUNTS = Counts(samples_per_space=40, largest_steps=60, supernet_steps=120, population=6, evaluations=24,
                random_evaluations=8)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose data is there, and how much its search is to do."""
    made = create("kws", tmp_path_factory.mktemp("search") / "kws", board="nrf52840", words=["yes", "no"])
    shutil.copy(TINY, made / "space.toml")
    path = made / "tinyml.toml"
    text = path.read_text().replace('sources = ["synth"]', 'sources = ["synth"]\nclips = 240\ncopies = 1', 1)
    path.write_text(text.replace("steps = 900", "steps = 40", 1) + '\n[search]\nspace = "space.toml"\nbudget = "5m"\n')
    project = Project.load(made)
    for geometry in project.search_stage.space.geometries:
        for split in ("train", "val"):
            project._examples_of(geometry, split)
    counts = project.search_stage.work / "counts.json"
    counts.parent.mkdir(parents=True)
    counts.write_bytes(TypeAdapter(Counts).dump_json(COUNTS))
    return made


@pytest.fixture(scope="module")
def whole(folder: Path) -> Path:
    """A copy in which the search ran through."""
    done = Path(shutil.copytree(folder, folder.with_name("whole")))
    assert search(done).wait() == 0
    return done


def search(folder: Path) -> subprocess.Popen[bytes]:
    """The command, in a process group of its own."""
    return started([sys.executable, "-m", "tinyml.cli.main", "search", "--json"], cwd=folder,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip


def finished(folder: Path) -> Iterator[object]:
    """What the search leaves, but for the clock's part."""
    (out,) = (p for p in (folder / "build" / "search").iterdir() if not p.name.startswith("."))
    yield replace(SearchRecord.load(out / "record.json"), seconds=None)
    yield replace(SearchRecord.load(out / "finished.json"), seconds=None)
    yield (out / "chosen.pt").read_bytes()


@pytest.mark.timeout(3000)
@pytest.mark.parametrize(("sign", "every_s"), [(signal.SIGKILL, 7.0), (signal.SIGINT, 9.0)])
def test_a_search_that_is_stopped_ends_as_one_that_was_not(
    sign: signal.Signals, every_s: float, folder: Path, whole: Path
) -> None:
    stopped = Path(shutil.copytree(folder, folder.with_name(f"stopped-{sign.name}")))
    stops = 0
    for attempt in range(60):
        running = search(stopped)
        try:
            code = running.wait(timeout=every_s + attempt)  # a little longer each time: a step must come to its end
        except subprocess.TimeoutExpired:
            os.killpg(running.pid, sign)
            stops += 1
            code = running.wait(timeout=60)
            assert code == (-signal.SIGKILL if sign is signal.SIGKILL else 130)
            time.sleep(0.2)
        else:
            assert code == 0
            break
    assert stops >= 3
    assert list(finished(stopped)) == list(finished(whole))
    assert (stopped / "tinyml.toml").read_text() == (whole / "tinyml.toml").read_text()
