"""The audit: ledger, licences, overlap, duplicates, and acoustic differences."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tinyml.data import Clip, Manifest, audit, merge
from tinyml.data.acoustics import measure
from tinyml.data.augment import coloured_noise, filtered, low_pass_response
from tinyml.data.pcm import content_hash, to_int16


def speechlike(seed: int, *, dbfs: float = -20.0, cutoff_hz: float | None = None) -> np.ndarray:
    rng = np.random.default_rng(seed)
    sound = coloured_noise(8000, 1.0, rng) * np.hanning(8000)
    if cutoff_hz is not None:
        sound = filtered(sound.astype(np.float32), lambda hz: low_pass_response(hz, cutoff_hz, 60))
    return to_int16(sound / np.sqrt(np.mean(np.square(sound[2000:6000]))) * 10 ** (dbfs / 20))


def manifest_of(root: Path, **how: dict[str, object]) -> Manifest:
    """Twelve clips for every keyword: its value gives `speechlike` arguments and fields of `Clip`."""
    clips, seed = [], 100
    for name, options in how.items():
        fields = {k: v for k, v in options.items() if k not in ("dbfs", "cutoff_hz")}
        sound = {k: v for k, v in options.items() if k in ("dbfs", "cutoff_hz")}
        for i in range(12):
            seed += 1
            pcm = speechlike(seed, **sound)
            path = root / f"{name}_{i}.wav"
            soundfile.write(path, pcm, 16000)
            sha256 = content_hash(pcm)
            clip = Clip(str(path), "go", "train", f"{name} {i}", "recorded", "CC0", "mine", 0.5, 16000, sha256)
            clips.append(replace(clip, **fields))
    return Manifest(root, tuple(clips))


def test_ledger_and_unlicensed(tmp_path: Path) -> None:
    manifest = manifest_of(tmp_path, a={}, b={"licence": "", "source": "found"}, c={"engine": "espeak-ng"})
    result = audit(manifest, measure_audio=False)
    rows = [(r.licence, r.source, r.engine, r.clips, r.seconds) for r in result.ledger]
    assert rows == [
        ("", "found", "recorded", 12, 6.0),
        ("CC0", "mine", "espeak-ng", 12, 6.0),
        ("CC0", "mine", "recorded", 12, 6.0),
    ]
    assert len(result.unlicensed) == 12 and not result.ok
    assert any("not covered by the licence of the engine" in n for n in result.notes)
    assert any("12 clips have no licence" in n for n in result.notes)


def test_a_speaker_in_two_splits_is_an_error(tmp_path: Path) -> None:
    manifest = manifest_of(tmp_path, a={"speaker": "ann"}, b={"speaker": "ann", "split": "test"})
    assert audit(manifest, measure_audio=False).errors == ("speaker `ann` stands in train and test",)
    enrolled = tuple(replace(c, note="enrolled") if c.split == "train" else c for c in manifest.clips)
    result = audit(replace(manifest, clips=enrolled), measure_audio=False)
    assert result.ok and "enrolled: 12 recordings of the test speaker `ann` train" in result.notes


def test_the_same_recording_in_two_splits_is_an_error(tmp_path: Path) -> None:
    manifest = manifest_of(tmp_path, a={})
    twin = replace(manifest.clips[0], split="test", speaker="other", path="copy.wav")
    result = audit(replace(manifest, clips=(*manifest.clips, twin)), measure_audio=False)
    assert len(result.errors) == 1 and "the same recording stands in train and test" in result.errors[0]


@pytest.mark.parametrize(
    ("second", "expected"),
    [({}, []), ({"cutoff_hz": 3600.0}, ["bandwidth"]), ({"dbfs": -36.0}, ["loudness"])],
)
def test_differences_are_named(tmp_path: Path, second: dict[str, object], expected: list[str]) -> None:
    by_class = manifest_of(tmp_path, a={}, b={"label": "stop", **second})
    warnings = audit(by_class).warnings
    assert [w for w in warnings if w.startswith("classes differ in")] == [
        w for w in warnings for what in expected if w.startswith(f"classes differ in {what}")
    ]
    assert len(warnings) == len(expected)
    if expected:
        assert "`go`" in warnings[0] and "`stop`" in warnings[0]
    by_split = manifest_of(tmp_path, a={}, b={"split": "test", **second})
    assert [w.split("differ in ")[1].split(":")[0] for w in audit(by_split).warnings] == expected


def test_bandwidth_and_level_are_measured() -> None:
    wide, narrow = measure(speechlike(1)), measure(speechlike(2, cutoff_hz=3600.0, dbfs=-35.0))
    assert wide.bandwidth_hz > 7500 and 3400 < narrow.bandwidth_hz < 4600
    assert wide.level_dbfs == pytest.approx(-21, abs=2) and narrow.level_dbfs == pytest.approx(-36, abs=2)
    assert narrow.rolloff_hz < wide.rolloff_hz


def test_digits_at_8_khz_are_told_from_synthesis(shared_dir: Path, tmp_path: Path) -> None:
    from tinyml.data import import_folder, synthesise

    digits = import_folder(
        shared_dir / "data" / "spoken_digits",
        tmp_path / "digits",
        licence="CC BY-SA 4.0",
        hold_out="lucas",
        split_csv=shared_dir / "data" / "splits" / "spoken_digits.csv",
    )
    spoken = synthesise(["one", "two"], tmp_path / "synth", clips=60, seed=0, unknown=False, engines=())
    warnings = audit(merge([digits, spoken], tmp_path)).warnings
    (sources,) = [w for w in warnings if w.startswith("sources differ in bandwidth")]
    assert "`spoken_digits recorded` ends at 3." in sources
