"""Bad input to the data package: one clear error, a hint, and nothing left behind."""

from __future__ import annotations

import errno
import importlib.util
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tinyml.data import FeatureSet, Manifest, check_classes, import_folder, load_pcm, synthesise
from tinyml.data.espeak import Espeak
from tinyml.errors import MissingToolError, ProjectError
from tinyml.storage import writing_folder


def speak(words: list[str], out: Path, **options: object) -> Manifest:
    return synthesise(words, out, **({"clips": 8, "seed": 0, "unknown": False, "engines": ()} | options))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["yes", "!!!"], "espeak cannot speak `!!!`"),
        (["日本"], "espeak cannot speak `日本` in language `en`"),
        (["привет", "no"], "espeak cannot speak `привет`"),
        (["🙂"], "espeak cannot speak `🙂`"),
        (["two", "too"], "`two` and `too` sound the same"),
        (["yes", "yes"], "`yes` is given twice"),
        (["unknown"], "`unknown` is the name of a built-in class"),
        (["a/b"], "`a/b` cannot be a word"),
        ([" yes"], "` yes` cannot be a word"),
        ([], "no words are given"),
    ],
)
def test_words_that_cannot_be_used(words: list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises(ProjectError) as caught:
        speak(words, tmp_path / "out")
    assert message in caught.value.message and caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_missing_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(MissingToolError) as caught:
        speak(["yes"], tmp_path / "out")
    assert caught.value.hint == 'run `pip install "tinyml[speech]"`'
    assert caught.value.exit_code == 3


def recordings(root: Path, **counts: int) -> Path:
    for label, count in counts.items():
        (root / label).mkdir(parents=True)
        for i in range(count):
            rng = np.random.default_rng(i)
            soundfile.write(root / label / f"ann_{i}.wav", (rng.standard_normal(4000) * 3000).astype(np.int16), 16000)
    return root


IMPORTS: list[tuple[str, Callable[[Path], dict[str, object]], str]] = [
    ("no folder", lambda t: {"src": t / "absent"}, "there is no folder"),
    ("no labels", lambda t: {"src": recordings(t / "in")} if (t / "in").mkdir() is None else {}, "no folder per label"),
    ("no clip", lambda t: {"src": recordings(t / "in", go=2, stop=0)}, "the class `stop` has no clip"),
    ("one clip", lambda t: {"src": recordings(t / "in", go=2, stop=1)}, "a class needs at least two clips"),
    (
        "no such speaker",
        lambda t: {"src": recordings(t / "in", go=3), "speaker_pattern": r"/(\w+)_", "hold_out": "anne"},
        "no recording is by the speaker `anne`",
    ),
    (
        "pattern that does not match",
        lambda t: {"src": recordings(t / "in", go=2), "speaker_pattern": r"/(bob)_"},
        "does not match 2 of 2 files",
    ),
    (
        "broken pattern",
        lambda t: {"src": recordings(t / "in", go=2), "speaker_pattern": "("},
        "not a regular expression",
    ),
    ("pattern without group", lambda t: {"src": recordings(t / "in", go=2), "speaker_pattern": "ann"}, "has no group"),
]


@pytest.mark.parametrize(("make", "message"), [case[1:] for case in IMPORTS], ids=[case[0] for case in IMPORTS])
def test_imports(make: Callable[[Path], dict[str, object]], message: str, tmp_path: Path) -> None:
    arguments = make(tmp_path)
    with pytest.raises(ProjectError) as caught:
        import_folder(out_dir=tmp_path / "out", **arguments)
    assert message in caught.value.message and caught.value.hint
    assert not (tmp_path / "out").exists()


def test_a_class_whose_files_are_all_broken_names_them(tmp_path: Path) -> None:
    src = recordings(tmp_path / "in", go=2, stop=1)
    soundfile.write(src / "stop" / "zero.wav", np.zeros(4000), 16000)
    with pytest.raises(ProjectError) as caught:
        import_folder(src, tmp_path / "out")
    assert caught.value.details == ("`stop` has only one usable clip", "stop/zero.wav: all samples are zero")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("name,speaker\na,b\n", "has no column `file`"),
        ("file,split\ngo/ann_0.wav,exam\n", "line 2: unknown split `exam`"),
        ("file,index\ngo/ann_0.wav,first\n", "line 2: the index `first`"),
        ("file,split\ngo/ann_0.wav,train\ngo/ann_1.wav,\n", "1 recordings have no split"),
        ("file\ngo/x.wav\n", "no file can be used"),
    ],
)
def test_tables(table: str, message: str, tmp_path: Path) -> None:
    src = recordings(tmp_path / "in", go=2)
    (tmp_path / "t.csv").write_text(table)
    with pytest.raises(ProjectError) as caught:
        import_folder(src, tmp_path / "out", split_csv=tmp_path / "t.csv")
    assert message in caught.value.message and caught.value.hint
    with pytest.raises(ProjectError, match="a speaker pattern and a CSV"):
        import_folder(src, tmp_path / "out", split_csv=tmp_path / "t.csv", speaker_pattern="(a)")


def _disk_full(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_keeps_the_old_clips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = speak(["yes"], tmp_path / "out")
    monkeypatch.setattr("tinyml.data.synthesis.write_wav", _disk_full)
    with pytest.raises(ProjectError, match="No space left on device") as caught:
        speak(["no"], tmp_path / "out")
    assert "free some space" in (caught.value.hint or "")
    assert Manifest.load(tmp_path / "out").digest == before.digest
    assert all(Path(c.path).is_file() for c in before.clips)
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_a_full_disk_under_a_manifest_or_examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    src = recordings(tmp_path / "in", go=4)
    before = import_folder(src, tmp_path / "out")
    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_text", _disk_full)
        with pytest.raises(ProjectError, match="cannot write"):
            import_folder(src, tmp_path / "out", licence="CC0")
    assert Manifest.load(tmp_path / "out").digest == before.digest
    monkeypatch.setattr(np, "savez", _disk_full)
    empty = FeatureSet(np.zeros((0, 2, 2), np.int8), np.zeros(0, np.int64), np.zeros(0, np.int32), ("a",))
    with pytest.raises(ProjectError, match="No space left"):
        empty.save(tmp_path / "x.npz")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in", "out"]


def test_a_foreign_folder_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("precious")
    with pytest.raises(ProjectError, match="is not empty"):
        speak(["yes"], tmp_path / "out")
    with pytest.raises(ProjectError, match="is a file"), writing_folder(tmp_path / "out" / "thesis.tex", "m"):
        pass
    assert (tmp_path / "out" / "thesis.tex").read_text() == "precious"


def test_an_interrupted_synthesis_leaves_nothing(tmp_path: Path) -> None:
    def interrupt(_: str, __: int, ___: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        speak(["yes"], tmp_path / "out", progress=interrupt)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "text", ["", "{}\n", '{"format": 9, "notes": []}\n', "not json\n", '{"format": 1, "notes": []}\n{"path": "a"}\n']
)
def test_malformed_manifests(text: str, tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="there is no data"):
        Manifest.load(tmp_path)
    (tmp_path / "manifest.jsonl").write_text(text)
    with pytest.raises(ProjectError, match="is not a manifest"):
        Manifest.load(tmp_path)


def test_a_clip_that_has_gone(tmp_path: Path) -> None:
    manifest = import_folder(recordings(tmp_path / "in", go=2), tmp_path / "out")
    Path(manifest.clips[0].path).unlink()
    with pytest.raises(ProjectError, match="cannot read the clip"):
        load_pcm(manifest.clips[0])


def test_a_broken_engine_is_reported(tmp_path: Path) -> None:
    with (
        pytest.raises(ProjectError, match="cannot start espeak-ng"),
        Espeak(command=(str(tmp_path / "no-such-program"),)) as absent,
    ):
        absent.voices("en")
    with pytest.raises(ProjectError, match="espeak-ng failed"), Espeak(command=("false",)) as broken:
        broken.voices("en")


def test_words_without_recordings_are_named(tmp_path: Path) -> None:
    manifest = speak(["yes", "no"], tmp_path / "clips")
    check_classes([manifest], ["yes", "no"])
    with pytest.raises(ProjectError, match="1 of 2 words have nothing to learn from") as caught:
        check_classes([manifest], ["yes", "cat"])
    assert caught.value.details == ("cat: 0 training clip(s)",)
