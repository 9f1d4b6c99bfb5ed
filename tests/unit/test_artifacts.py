"""Stage artifacts appear whole or not at all."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tinyml.artifacts import Store, digest
from tinyml.errors import ProjectError
from tinyml.project import Train


def write_answer(out: Path) -> None:
    (out / "answer.txt").write_text("42")


def test_a_stage_is_made_once(tmp_path: Path) -> None:
    store = Store(tmp_path)
    first = store.make("train", digest("a"), write_answer)
    second = store.make("train", digest("a"), lambda out: pytest.fail("built twice"))
    assert (first.fresh, second.fresh) == (True, False)
    assert (second.path / "answer.txt").read_text() == "42"


def test_another_key_is_another_artifact(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert store.make("train", digest(Train(steps=1)), write_answer).path != (
        store.make("train", digest(Train(steps=2)), write_answer).path
    )


def test_a_failing_stage_leaves_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path)

    def fail(out: Path) -> None:
        write_answer(out)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        store.make("train", digest("a"), fail)
    assert not list((tmp_path / "train").iterdir())


def test_a_full_disk_is_one_clear_error(tmp_path: Path) -> None:
    def fill(out: Path) -> None:
        write_answer(out)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(ProjectError, match="disk .* is full") as caught:
        Store(tmp_path).make("train", digest("a"), fill)
    assert "run the same command again" in (caught.value.hint or "")
    assert not list((tmp_path / "train").iterdir())


def test_a_killed_stage_is_not_trusted(tmp_path: Path) -> None:
    script = textwrap.dedent(f"""
        import os, signal
        from pathlib import Path
        from tinyml.artifacts import Store
        def build(out):
            (out / "answer.txt").write_text("4")
            os.kill(os.getpid(), signal.SIGKILL)
        Store(Path({str(tmp_path)!r})).make("train", "k" * 64, build)
    """)
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == -9
    store = Store(tmp_path)
    assert not store.has("train", "k" * 64)
    made = store.make("train", "k" * 64, write_answer)
    assert made.fresh and (made.path / "answer.txt").read_text() == "42"
    store.sweep(older_than_s=-1)
    assert [p.name for p in (tmp_path / "train").iterdir()] == [made.path.name]


def test_two_processes_may_make_the_same_stage(tmp_path: Path) -> None:
    store = Store(tmp_path)

    def meanwhile(out: Path) -> None:
        write_answer(out)
        final = store.path("train", "k" * 64)
        final.mkdir()
        (final / "answer.txt").write_text("42")

    made = store.make("train", "k" * 64, meanwhile)
    assert (made.path / "answer.txt").read_text() == "42"
    assert [p.name for p in (tmp_path / "train").iterdir()] == [made.path.name]
