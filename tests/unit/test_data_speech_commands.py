"""Speech Commands from a small copy of its layout, through torchaudio on a CPU build of torch."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tinyml.data import audit, import_folder
from tinyml.data.speech_commands import VERSION, download_speech_commands, is_speech_commands
from tinyml.data.torchaudio_shim import load_torchaudio
from tinyml.errors import ProjectError


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    root = tmp_path / "root" / "SpeechCommands" / VERSION
    rng = np.random.default_rng(0)
    for word in ("yes", "no"):
        (root / word).mkdir(parents=True)
        for speaker in ("0a7c2a8d", "1b4c9b89", "2fa39636"):
            for number in range(2):
                pcm = (rng.standard_normal(16000) * 1000).astype(np.int16)
                soundfile.write(root / word / f"{speaker}_nohash_{number}.wav", pcm, 16000)
    (root / "_background_noise_").mkdir()
    soundfile.write(root / "_background_noise_" / "tap.wav", (rng.standard_normal(32000) * 900).astype(np.int16), 16000)
    lists = {"validation_list.txt": "1b4c9b89", "testing_list.txt": "2fa39636"}
    for name, speaker in lists.items():
        lines = [f"{word}/{speaker}_nohash_{n}.wav" for word in ("yes", "no") for n in range(2)]
        (root / name).write_text("\n".join(lines) + "\n")
    (root / "README.md").write_text("Speech Commands Data Set v0.02")
    return root


@pytest.mark.parametrize("level", [0, 2], ids=["the data set", "the root torchaudio keeps it under"])
def test_its_own_speakers_splits_and_licence(copy: Path, tmp_path: Path, level: int) -> None:
    src = [copy, *copy.parents][level]
    manifest = import_folder(src, tmp_path / "out")
    words = [c for c in manifest.clips if c.label != "silence"]
    assert Counter((c.speaker, c.split) for c in words) == {
        ("0a7c2a8d", "train"): 4, ("1b4c9b89", "val"): 4, ("2fa39636", "test"): 4,
    }  # fmt: skip
    assert {c.licence for c in manifest.clips} == {"CC BY 4.0"}
    assert [(c.label, c.split, c.speaker) for c in manifest.clips if c not in words] == [("silence", "train", "")]
    assert audit(manifest).ok


def test_a_download_that_is_there_is_not_repeated(copy: Path) -> None:
    assert is_speech_commands(copy)
    assert download_speech_commands(copy.parents[1]) == copy


def test_a_failed_download_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = load_torchaudio().datasets.speechcommands

    def unreachable(*_: object, **__: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(dataset, "download_url_to_file", unreachable)
    with pytest.raises(ProjectError, match="no route to host") as caught:
        import_folder(tmp_path / "SPEECHCOMMANDS", tmp_path / "out")
    assert "unpack it" in (caught.value.hint or "")


def test_torchaudio_computes_on_a_cpu_build() -> None:
    torchaudio = load_torchaudio()
    assert torchaudio is load_torchaudio()
    bank = torchaudio.functional.melscale_fbanks(257, 60.0, 7600.0, 40, 16000)
    assert bank.shape == (257, 40)
