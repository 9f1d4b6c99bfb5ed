"""Training windows: shapes, classes, determinism, cache, and that the front end's own output is in them."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tinyml.data import FeatureSet, Manifest, evaluation_stream, load_pcm, make_examples, synthesise
from tinyml.data import example_worker as worker
from tinyml.data.example_worker import ExampleSpec
from tinyml.data.stream import plain_stream
from tinyml.errors import ProjectError
from tinyml.features import LogMel, LogMelSpec

LABELS = ("silence", "unknown", "yes", "no")
SPEC = LogMelSpec()


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return synthesise(("yes", "no"), tmp_path_factory.mktemp("examples") / "clips", clips=70, seed=1, engines=())


def made(manifest: Manifest, split: str = "train", **options: object) -> FeatureSet:
    settings = {"window_frames": 49, "copies": 2, "seed": 5, "augment": split == "train", "jobs": 1} | options
    return make_examples(manifest, LABELS, SPEC, split, **settings)


def test_classes_and_shapes(clips: Manifest) -> None:
    train = made(clips)
    assert train.x.shape == (len(train), 49, 40) and train.x.dtype == np.int8
    assert train.y.dtype == np.int64 and train.clip.dtype == np.int32 and train.labels == LABELS
    counts = Counter(LABELS[y] for y in train.y)
    words = len(clips.select(split="train", label=("yes", "no")))
    assert counts["yes"] + counts["no"] == words * 2 * 2  # copies x windows
    assert counts["unknown"] >= 2 * 2 * len(clips.select(split="train", label="unknown"))
    assert 0.5 < counts["silence"] / (counts["yes"] + 1) < 2
    for y, clip in zip(train.y, train.clip, strict=True):
        if LABELS[y] in ("yes", "no"):
            assert clips.clips[clip].label == LABELS[y] and clips.clips[clip].split == "train"
        assert clip >= -1


def test_a_test_window_is_cut_from_the_protocol_stream(clips: Manifest) -> None:
    test = made(clips, "test")
    words = test.clip >= 0
    assert words.sum() == len(clips.select(split="test"))
    front_end = LogMel(SPEC)
    for x, index in zip(test.x[words][:4], test.clip[words][:4], strict=True):
        rng = np.random.default_rng([5, worker._CLIP_STREAM, int(index) + 1, 0])
        front_end.reset()
        pcm = load_pcm(clips.clips[index])
        stream = plain_stream(pcm, rng).pcm
        protocol = evaluation_stream(pcm, np.random.default_rng([5, worker._CLIP_STREAM, int(index) + 1, 0]))
        assert np.array_equal(stream[: len(pcm) + 16000], protocol[: len(pcm) + 16000])
        features = front_end.process(stream)
        assert [f for f in range(len(features) - 48) if np.array_equal(features[f : f + 49], x)]


def test_the_result_does_not_depend_on_the_number_of_processes(
    clips: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "_ALONE", 1)
    monkeypatch.setattr(worker, "_CHUNK", 20)
    seen: list[tuple[int, int]] = []
    two = made(clips, jobs=2, progress=lambda _, done, total: seen.append((done, total)))
    one = made(clips, jobs=1)
    assert np.array_equal(one.x, two.x) and np.array_equal(one.y, two.y) and np.array_equal(one.clip, two.clip)
    assert seen[-1][0] == seen[-1][1] and len(seen) > 2
    assert not np.array_equal(one.x, made(clips, seed=6).x)


def test_the_cache_is_used_and_follows_every_input(clips: Manifest, tmp_path: Path) -> None:
    calls: list[int] = []

    def watch(_: str, done: int, __: int) -> None:
        calls.append(done)

    first = made(clips, "test", cache_dir=tmp_path, progress=watch)
    count = len(calls)
    again = made(clips, "test", cache_dir=tmp_path, progress=watch)
    assert len(calls) == count and np.array_equal(first.x, again.x)
    for change in ({"seed": 8}, {"window_frames": 40}, {"example_spec": ExampleSpec(windows=1)}):
        made(clips, "test", cache_dir=tmp_path, **change)
    fewer = replace(clips, clips=clips.clips[1:])
    made(fewer, "test", cache_dir=tmp_path)
    files = list(tmp_path.iterdir())
    assert len(files) == 5 and all(f.suffix == ".npz" for f in files)
    files[0].write_bytes(b"half")
    with pytest.raises(ProjectError, match="holds no examples"):
        FeatureSet.load(files[0])


def test_other_words_are_unknown_and_capped(clips: Manifest) -> None:
    spec = ExampleSpec(unknown_cap=1.0, windows=1, fragment_probability=0.0)
    only_yes = make_examples(
        clips,
        ("silence", "unknown", "yes"),
        SPEC,
        "train",
        window_frames=49,
        copies=1,
        seed=0,
        augment=True,
        jobs=1,
        example_spec=spec,
    )
    said = Counter(clips.clips[c].label for c, y in zip(only_yes.clip, only_yes.y, strict=True) if c >= 0 and y == 1)
    assert set(said) <= {"no", "unknown"} and sum(said.values()) == len(clips.select(split="train", label="yes"))


def test_an_empty_split_gives_an_empty_set(clips: Manifest) -> None:
    none = made(replace(clips, clips=clips.select(split="train")), "test")
    assert none.x.shape == (0, 49, 40) and len(none) == 0
    joined = FeatureSet.concatenate([none, made(clips, "test")])
    assert len(joined) == len(made(clips, "test"))
    with pytest.raises(ValueError, match="different labels"):
        FeatureSet.concatenate([none, replace(none, labels=("a",))])


def test_recordings_and_enrolled_clips_weigh_more(clips: Manifest) -> None:
    marked = tuple(
        replace(c, engine="recorded", note="enrolled" if i % 2 else "") for i, c in enumerate(clips.select(label="yes"))
    )
    real = made(replace(clips, clips=tuple(c for c in marked if c.split == "train")), copies=1)
    counts = Counter(int(c) for c, y in zip(real.clip, real.y, strict=True) if LABELS[y] == "yes")
    assert set(counts.values()) == {2 * 2, 10 * 2}


def test_words_stand_out_of_the_background(clips: Manifest) -> None:
    test = made(clips, "test")
    loudest = test.x.reshape(len(test), -1).max(axis=1)
    assert np.median(loudest[test.clip >= 0]) > np.median(loudest[test.clip < 0]) + 8
