"""Synthesised speech: the worker process, voices, confusable words, and what lands in the manifest."""

from __future__ import annotations

import shutil
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tinyml.data import Manifest, load_pcm, synthesise
from tinyml.data.engines import EngineVoice, Festival, Flite, Line, Piper, find_engines
from tinyml.data.espeak import Espeak, Utterance
from tinyml.data.pcm import FULL_SCALE, content_hash, rms_dbfs, voiced_bounds
from tinyml.data.vocabulary import check_words, common_words, distance, unknown_texts
from tinyml.data.voices import timbres_by_split
from tinyml.errors import ProjectError

WORDS = ("yes", "no")
CRASHING = """
import json, sys
for line in sys.stdin.buffer:
    for request in json.loads(line):
        if request["text"] == "crash":
            sys.exit(11)
        sys.stdout.buffer.write(json.dumps({"rate_hz": 22050, "samples": 2}).encode() + b"\\n" + b"\\1\\0\\2\\0")
    sys.stdout.buffer.flush()
"""


@pytest.fixture(scope="module")
def espeak() -> Iterator[Espeak]:
    with Espeak() as running:
        yield running


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return synthesise(WORDS, tmp_path_factory.mktemp("synth") / "clips", clips=80, seed=3, engines=(), jobs=2)


def test_every_clip_says_where_it_comes_from(made: Manifest) -> None:
    counts = Counter((c.label, c.split) for c in made.clips)
    assert set(counts) == {(label, split) for label in (*WORDS, "unknown") for split in ("train", "val", "test")}
    assert 75 <= len(made.clips) <= 85
    for clip in made.clips:
        assert clip.engine == "espeak-ng"
        assert "+" in clip.voice
        assert "GPL-3.0" in clip.licence
        assert clip.text == clip.label or clip.label == "unknown"


def test_no_voice_stands_in_two_splits(made: Manifest) -> None:
    for name in ("speaker", "voice"):
        splits = defaultdict(set)
        for clip in made.clips:
            splits[getattr(clip, name)].add(clip.split)
        assert all(len(s) == 1 for s in splits.values())
        assert len(splits) > 10


def test_clips_are_audible_and_as_recorded_in_the_manifest(made: Manifest) -> None:
    for clip in made.clips:
        pcm = load_pcm(clip)
        start, end = voiced_bounds(pcm)
        assert content_hash(pcm) == clip.sha256
        assert clip.seconds == pytest.approx(len(pcm) / 16000)
        assert 0.08 < (end - start) / 16000 < 1.6, clip
        assert -30 < rms_dbfs(pcm[start:end] / FULL_SCALE) < -15


def test_the_seed_decides_the_samples_and_not_the_number_of_jobs(made: Manifest, tmp_path: Path) -> None:
    again = synthesise(WORDS, tmp_path / "again", clips=80, seed=3, engines=(), jobs=1)
    other = synthesise(WORDS, tmp_path / "other", clips=80, seed=4, engines=(), jobs=1)
    assert again.digest == made.digest != other.digest


def test_a_moved_folder_still_finds_its_clips(made: Manifest, tmp_path: Path) -> None:
    shutil.copytree(made.root, tmp_path / "moved")
    moved = Manifest.load(tmp_path / "moved")
    assert moved.digest == made.digest
    assert all(Path(c.path).is_relative_to(tmp_path) and Path(c.path).is_file() for c in moved.clips)


def test_timbres_that_share_a_vocal_tract_share_a_split(espeak: Espeak) -> None:
    by_split = timbres_by_split(espeak, {}, "en")
    variants = {split: {n.split("+")[1] for t in ts for n in t.names} for split, ts in by_split.items()}
    assert not variants["train"] & variants["test"] and not variants["train"] & variants["val"]
    home = {v: split for split, names in variants.items() for v in names}
    for family in (("mike", "mike2"), ("michel", "miguel", "Hugo"), ("edward", "edward2")):
        assert len({home.get(v, home.get(v.capitalize())) for v in family}) == 1, family
    women = {v["file"] for v in espeak.voices("variant") if v["gender"] == 2}
    assert all(variants[split] & women for split in variants)


def test_a_dying_worker_costs_one_clip() -> None:
    with Espeak(command=(sys.executable, "-c", CRASHING)) as fragile:
        speeches = fragile.speak([Utterance(t, "en") for t in ("a", "crash", "b")])
    assert [s.samples.tolist() for s in speeches] == [[1, 2], [], [1, 2]]
    assert "crashed" in speeches[1].error
    assert fragile.restarts == 2


def test_a_hanging_worker_is_stopped() -> None:
    with Espeak(command=(sys.executable, "-c", "import time; time.sleep(60)"), timeout_s=0.3) as hanging:
        assert hanging.speak([Utterance("a", "en")])[0].error


def test_an_unknown_voice_is_an_error_of_that_clip(espeak: Espeak) -> None:
    bad, good = espeak.speak([Utterance("yes", "martian+f1"), Utterance("yes", "en-US+f1")])
    assert "martian" in bad.error
    assert len(good.samples) > 2000


def test_confusables_are_near_and_never_contain_a_keyword(espeak: Espeak) -> None:
    def pronounce(texts: list[str]) -> list[tuple[str, ...]]:
        return espeak.phonemes(texts, "en-US")

    keywords = check_words(["yes", "no", "hey computer"], pronounce, "en")
    texts = unknown_texts(keywords, pronounce, 0)
    assert "yet" in texts.near
    assert {"hey", "computer"} <= set(texts.partial)
    assert "know" not in texts.near + texts.common and "notice" not in texts.common
    spoken = dict(zip(texts.near, pronounce(list(texts.near)), strict=True))
    assert all(0 < min(distance(p, k) for k in keywords.values()) <= 0.5 for p in spoken.values())
    assert not set(texts.common) & set(texts.near)
    assert len(common_words()) > 400


@pytest.mark.skipif(shutil.which("flite") is None, reason="flite is not installed")
def test_flite_speaks_with_each_of_its_voices() -> None:
    flite = find_engines()["flite"]
    assert {v.speaker for v in flite.voices} >= {"kal", "slt"}
    slow, _ = flite.speak(Line("seven", stretch=1.5), "slt")
    fast, rate_hz = flite.speak(Line("seven", stretch=0.8), "slt")
    assert rate_hz in (8000, 16000)
    assert np.abs(fast).max() > 0.05 and len(slow) > 1.3 * len(fast)


def _program(folder: Path, name: str, body: str) -> str:
    path = folder / name
    path.write_text(f"#!{sys.executable}\nimport sys, pathlib, wave\n{body}")
    path.chmod(0o755)
    return str(path)


_WRITE = """
with wave.open(sys.argv[sys.argv.index({flag!r}) + 1], "wb") as w:
    w.setnchannels(1); w.setsampwidth(2); w.setframerate(16000)
    w.writeframes(b"\\x10\\x20" * 8000)
pathlib.Path(__file__).with_suffix(".log").write_text(repr((sys.argv[1:], sys.stdin.read())))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="stand-in programs are scripts")
def test_festival_and_piper_are_asked_in_their_own_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _program(tmp_path, "festival", 'print("(kal_diphone cmu_us_slt_arctic_hts secret_voice)")')
    _program(tmp_path, "text2wave", _WRITE.format(flag="-o"))
    _program(
        tmp_path,
        "piper",
        'if "--help" in sys.argv: print("--length_scale"); sys.exit()\n' + _WRITE.format(flag="--output_file"),
    )
    voices = tmp_path / "voices"
    for name, card in (("free", "* License: CC0\n"), ("dark", "")):
        (voices / name).mkdir(parents=True)
        (voices / name / f"{name}.onnx").touch()
        (voices / name / f"{name}.onnx.json").write_text('{"num_speakers": 2, "espeak": {"voice": "en-us"}}')
        (voices / name / "MODEL_CARD").write_text(card)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PIPER_VOICES", str(voices))
    found = find_engines()
    assert set(found) == {"festival", "piper"}
    festival, piper = found["festival"], found["piper"]
    assert isinstance(festival, Festival) and isinstance(piper, Piper)
    assert [v.speaker for v in festival.voices] == ["kal", "slt"]
    assert festival.notes == ["festival voice secret_voice is not used: its terms are not known"]
    assert [v.licence for v in piper.voices] == ["CC0", "CC0"] and "dark" in piper.notes[0]
    for engine in (festival, piper):
        samples, rate_hz = engine.speak(Line("hello there", stretch=1.25), engine.voices[-1].name)
        assert (len(samples), rate_hz) == (8000, 16000)
    assert "Duration_Stretch 1.250" in (tmp_path / "text2wave.log").read_text()
    assert "hello there" in (tmp_path / "text2wave.log").read_text()
    log = (tmp_path / "piper.log").read_text()
    assert "'--speaker', '1', '--length_scale', '1.250'" in log and log.endswith("'hello there')")


def test_one_person_has_one_split_in_all_engines(espeak: Espeak) -> None:
    flite, festival = Flite("absent"), Festival("absent")
    flite.voices = tuple(EngineVoice("flite", n, n, "free") for n in ("kal", "awb", "rms", "slt"))
    festival.voices = tuple(EngineVoice("festival", f"{n}_x", n, "free") for n in ("kal", "slt"))
    by_split = timbres_by_split(espeak, {"flite": flite, "festival": festival}, "en")
    homes = defaultdict(set)
    for split, timbres in by_split.items():
        for timbre in timbres:
            homes[timbre.speaker].add(split)
    assert all(len(s) == 1 for s in homes.values())
    assert homes["kal"] == {"test"} and homes["slt"] == {"train"}
    assert not any(t.engine == "flite" for t in timbres_by_split(espeak, {"flite": flite}, "de")["train"])


def test_other_languages_speak_with_their_own_voice(tmp_path: Path) -> None:
    german = synthesise(["ja", "nein"], tmp_path / "de", clips=12, seed=0, unknown=False, language="de", engines=())
    assert {c.voice.split("+")[0] for c in german.clips} == {"de"}
    with pytest.raises(ProjectError, match="no language `xx`"):
        synthesise(["ja"], tmp_path / "xx", clips=2, seed=0, language="xx", engines=())
    assert not (tmp_path / "xx").exists()
