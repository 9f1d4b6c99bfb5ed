"""Deploying to the virtual board: the image runs, and what it heard comes back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from tinyml.board import load_board
from tinyml.deploy import DeployOptions, choose, runners
from tinyml.errors import MissingToolError, ProjectError
from tinyml.firmware import build

RUNNER = runners()["virtual"]


@pytest.fixture(scope="module")
def image(parts, tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("virtual")
    return build(load_board("nrf52840"), "zig", parts.app_dir, parts.features, parts.model, parts.config, folder)


def test_the_application_hears_samples(image, tones: np.ndarray, expected_console: str) -> None:
    board = load_board("nrf52840")
    result = RUNNER.run(image, board, DeployOptions(microphone=tones))
    assert result.simulation.console.startswith(expected_console)
    assert result.simulation.fault is None
    assert (result.runner, result.board) == ("virtual", "nrf52840")
    assert result.bytes_written > 4000
    assert choose(board, "virtual").name == "virtual"


def test_a_recording_is_played_at_the_board_s_rate(image, tones: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / "tones.wav"
    stereo = np.repeat(np.stack([tones, tones], axis=1), 3, axis=0)  # 48 kHz, two channels
    soundfile.write(path, stereo, 48_000, subtype="PCM_16")
    result = RUNNER.run(image, load_board("nrf52840"), DeployOptions(microphone=path, seconds=3.5, profile=False))
    assert result.simulation.seconds == pytest.approx(3.5, abs=0.01)
    assert "detect label=low" in result.simulation.console
    assert "detect label=high" in result.simulation.console


def test_a_recording_that_is_none(image, tmp_path: Path) -> None:
    path = tmp_path / "tones.wav"
    path.write_bytes(b"RIFF....WAVEjunk")
    with pytest.raises(ProjectError, match="cannot read"):
        RUNNER.run(image, load_board("nrf52840"), DeployOptions(microphone=path))
    with pytest.raises(ProjectError, match="cannot read"):
        RUNNER.run(image, load_board("nrf52840"), DeployOptions(microphone=tmp_path / "absent.wav"))


def test_dry_run(image) -> None:
    board = load_board("nrf52840")
    lines = RUNNER.plan(image, board, DeployOptions(microphone=Path("yes.wav")))
    assert str(image.elf) in lines[0] and "yes.wav" in lines[1]
    assert "the image" in RUNNER.plan(None, board, DeployOptions())[0]


def test_a_board_without_a_virtual_twin(image) -> None:
    host = load_board("host")
    assert "no virtual board" in RUNNER.available(host)
    with pytest.raises(ProjectError, match="no virtual board"):
        RUNNER.run(image, host, DeployOptions())


def test_without_the_emulator_the_error_is_the_command_to_install_it(image, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingToolError) as error:
        RUNNER.run(image, load_board("nrf52840"), DeployOptions())
    assert (error.value.exit_code, error.value.hint) == (3, 'run `pip install "tinyml[sim]"`')
    assert "tinyml[sim]" in RUNNER.available(load_board("nrf52840"))
