"""Import of recordings: formats, speakers, splits, and files that cannot be used."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tinyml.data import Manifest, audit, import_folder, load_pcm
from tinyml.data.manifest import ENROLLED, HELD_BACK
from tinyml.data.pcm import resample, to_int16

SPEAKER = r"/(?P<speaker>\w+?)_(?P<index>\d+)"


def tone(seconds: float, rate_hz: int, seed: int, hz: float = 500.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    time_s = np.arange(int(seconds * rate_hz)) / rate_hz
    return (0.3 * np.sin(2 * np.pi * hz * time_s) + 0.01 * rng.standard_normal(len(time_s))).astype(np.float32)


def folder_of(root: Path, speakers: tuple[str, ...], *, words: tuple[str, ...] = ("go", "stop"), each: int = 4) -> Path:
    seed = 0
    for word in words:
        (root / word).mkdir(parents=True)
        for speaker in speakers:
            for index in range(each):
                seed += 1
                soundfile.write(root / word / f"{speaker}_{index}.wav", tone(0.3, 16000, seed), 16000)
    return root


def by_speaker(manifest: Manifest) -> dict[str, set[str]]:
    found = defaultdict(set)
    for clip in manifest.clips:
        found[clip.speaker].add(clip.split)
    return found


@pytest.mark.parametrize(
    ("suffix", "subtype", "rate_hz", "channels"),
    [
        ("wav", "PCM_16", 8000, 1),
        ("wav", "FLOAT", 48000, 2),
        ("wav", "PCM_24", 44100, 2),
        ("wav", "PCM_U8", 11025, 1),
        ("flac", "PCM_16", 22050, 1),
        ("flac", "PCM_24", 48000, 2),
        ("ogg", "VORBIS", 16000, 1),
        ("ogg", "OPUS", 48000, 1),
    ],
)
def test_formats(tmp_path: Path, suffix: str, subtype: str, rate_hz: int, channels: int) -> None:
    (tmp_path / "in" / "go").mkdir(parents=True)
    for seed in range(2):
        sound = tone(0.5, rate_hz, seed)
        samples = np.stack([sound] * channels, axis=1)
        soundfile.write(tmp_path / "in" / "go" / f"{seed}.{suffix}", samples, rate_hz, subtype=subtype)
    manifest = import_folder(tmp_path / "in", tmp_path / "out", licence="CC0")
    assert [c.sample_rate_hz for c in manifest.clips] == [rate_hz] * 2
    pcm = load_pcm(manifest.clips[0])
    assert pcm.dtype == np.int16 and len(pcm) == pytest.approx(8000, abs=2)
    spectrum = np.abs(np.fft.rfft(pcm[:8000]))
    assert np.argmax(spectrum) == pytest.approx(250, abs=2)  # 500 Hz
    assert np.std(pcm) == pytest.approx(0.3 / np.sqrt(2) * 32768, rel=0.05)
    assert Manifest.load(tmp_path / "out").digest == manifest.digest


def test_resampling_leaves_nothing_above_the_old_band() -> None:
    rng = np.random.default_rng(0)
    wide = resample(rng.standard_normal(8000).astype(np.float32) * 0.1, 8000)
    power = np.square(np.abs(np.fft.rfft(wide * np.hanning(len(wide)))))
    hz = np.fft.rfftfreq(len(wide), 1 / 16000)
    assert 10 * np.log10(power[hz > 4100].mean() / power[hz < 3500].mean()) < -75
    assert to_int16(np.array([2.0, -2.0, 0.5])).tolist() == [32767, -32768, 16384]


def test_wav_and_flac_of_one_recording_are_the_same_clip(tmp_path: Path) -> None:
    (tmp_path / "in" / "go").mkdir(parents=True)
    pcm = to_int16(tone(0.5, 16000, 1))
    for suffix in ("wav", "flac"):
        soundfile.write(tmp_path / "in" / "go" / f"a.{suffix}", pcm, 16000, subtype="PCM_16")
    first, second = import_folder(tmp_path / "in", tmp_path / "out").clips
    assert first.sha256 == second.sha256 and first.split == second.split


def test_speakers_by_pattern_never_share_a_split(tmp_path: Path) -> None:
    src = folder_of(tmp_path / "in", ("ann", "bob", "cem", "dag", "eva"))
    manifest = import_folder(src, tmp_path / "out", speaker_pattern=SPEAKER, licence="CC0")
    splits = by_speaker(manifest)
    assert set(splits) == {"ann", "bob", "cem", "dag", "eva"}
    assert all(len(s) == 1 for s in splits.values())
    assert Counter(next(iter(s)) for s in splits.values()) == {"train": 3, "val": 1, "test": 1}
    assert audit(manifest).ok


@pytest.mark.parametrize(("speakers", "test"), [(("ann", "bob"), 8), (("ann",), 0)])
def test_few_speakers(tmp_path: Path, speakers: tuple[str, ...], test: int) -> None:
    manifest = import_folder(folder_of(tmp_path / "in", speakers), tmp_path / "out", speaker_pattern=SPEAKER)
    counts = Counter(c.split for c in manifest.clips)
    assert (counts["test"], counts["val"], counts["train"]) == (test, 2, 6)
    assert not {c.speaker for c in manifest.select(split="test")} & {c.speaker for c in manifest.select(split="train")}
    assert any("held back: 2" in note for note in audit(manifest).notes)


def test_hold_out_and_enrol(tmp_path: Path) -> None:
    src = folder_of(tmp_path / "in", ("ann", "bob", "cem"), each=10)
    manifest = import_folder(src, tmp_path / "out", speaker_pattern=SPEAKER, hold_out="bob", enrol=3, licence="CC0")
    bob = [c for c in manifest.clips if c.speaker == "bob"]
    enrolled = [c for c in bob if c.split == "train"]
    assert {Path(c.path).stem for c in enrolled} == {"bob_0", "bob_1", "bob_2"} and len(enrolled) == 6
    assert all(c.note == ENROLLED for c in enrolled)
    assert {c.split for c in bob if c not in enrolled} == {"test"}
    held = manifest.select(split="val")
    assert {c.speaker for c in held} == {"ann", "cem"} and len(held) == 4  # 10 % of each speaker's each word
    assert all(c.note == HELD_BACK for c in held)
    result = audit(manifest)
    assert result.ok
    assert "enrolled: 6 recordings of the test speaker `bob` train" in result.notes


def test_csv_with_splits(tmp_path: Path) -> None:
    src = folder_of(tmp_path / "in", ("ann", "bob"))
    rows = ["file,speaker,split"]
    for word in ("go", "stop"):
        for speaker, split in (("ann", "training"), ("bob", "test")):
            rows += [f"{word}/{speaker}_{i}.wav,{speaker},{split}" for i in (0, 1)]
    (tmp_path / "t.csv").write_text("\n".join([*rows, "go/missing.wav,ann,training"]))
    manifest = import_folder(src, tmp_path / "out", split_csv=tmp_path / "t.csv")
    assert by_speaker(manifest) == {"ann": {"train"}, "bob": {"test"}}
    assert len(manifest.clips) == 8
    assert "skipped go/missing.wav: the file does not exist" in manifest.notes


def test_without_speakers_the_audit_says_so(tmp_path: Path) -> None:
    manifest = import_folder(folder_of(tmp_path / "in", ("a", "b", "c"), each=10), tmp_path / "out", licence="CC0")
    assert Counter(c.split for c in manifest.clips) == {"train": 48, "val": 6, "test": 6}
    assert any("no known speaker" in note for note in audit(manifest).notes)


def test_unusable_files_are_named_and_the_rest_goes_on(tmp_path: Path) -> None:
    src = folder_of(tmp_path / "in", ("ann",))
    go = src / "go"
    for suffix in ("wav", "flac", "ogg"):
        soundfile.write(go / f"whole.{suffix}", tone(1.0, 16000, 5), 16000)
        data = (go / f"whole.{suffix}").read_bytes()
        (go / f"cut.{suffix}").write_bytes(data[: len(data) * 2 // 3])
    (go / "notes.txt").write_text("recorded on Monday")
    (go / "empty.wav").touch()
    (go / ".DS_Store").write_text("x")
    soundfile.write(go / "zero.wav", np.zeros(8000), 16000)
    soundfile.write(go / "nan.wav", np.full(8000, np.nan), 16000, subtype="FLOAT")
    soundfile.write(go / "tiny.wav", tone(0.01, 16000, 6), 16000)
    soundfile.write(go / "fast.wav", tone(0.3, 96000, 7), 96000)
    soundfile.write(go / "many.wav", np.stack([tone(0.3, 16000, 8)] * 6, axis=1), 16000)
    manifest = import_folder(src, tmp_path / "out")
    notes = "\n".join(manifest.notes)
    assert notes.startswith("10 of 21 files were skipped")
    for name, reason in {
        "cut.wav": "truncated", "cut.flac": "", "cut.ogg": "truncated", "notes.txt": "not readable as audio",
        "empty.wav": "empty file", "zero.wav": "all samples are zero", "nan.wav": "holds NaN", "tiny.wav": "only 10 ms",
        "fast.wav": "96,000 Hz", "many.wav": "6 channels",
    }.items():  # fmt: skip
        assert f"skipped go/{name}: {reason}" in notes
    assert len(manifest.clips) == 11
    assert Manifest.load(tmp_path / "out").notes == manifest.notes


def test_the_spoken_digits_protocol(shared_dir: Path, tmp_path: Path) -> None:
    manifest = import_folder(
        shared_dir / "data" / "spoken_digits",
        tmp_path / "out",
        licence="CC BY-SA 4.0",
        split_csv=shared_dir / "data" / "splits" / "spoken_digits.csv",
        hold_out="lucas",
        enrol=5,
    )
    counts = Counter((c.split, c.speaker == "lucas") for c in manifest.clips)
    assert counts == {("test", True): 450, ("train", True): 50, ("train", False): 1350, ("val", False): 150}
    assert manifest.notes == ()
    assert audit(manifest, measure_audio=False).ok
