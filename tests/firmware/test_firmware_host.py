"""The application as a native program: what it prints is what the Python reference says."""

from __future__ import annotations

import shutil
import subprocess
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tinyml.board import load_board
from tinyml.firmware import build


@pytest.fixture(scope="module")
def program(parts, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("host")
    return build(load_board("host"), "zig", parts.app_dir, parts.features, parts.model, parts.config, out).elf


def run(program: Path, *arguments: str, stdin: bytes = b"") -> str:
    done = subprocess.run([program, *arguments], input=stdin, capture_output=True, check=True, timeout=60)
    return done.stdout.decode()


def write_wav(path: Path, pcm: np.ndarray, *, rate_hz: int = 16000, channels: int = 1) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(pcm.astype("<i2").tobytes())
    return path


def test_console_equals_the_reference(program: Path, tones: np.ndarray, expected_console: str, tmp_path: Path) -> None:
    assert "detect label=low score=0." in expected_console and "detect label=high score=0." in expected_console
    raw = tones.astype("<i2").tobytes()
    assert run(program, stdin=raw) == expected_console
    assert run(program, "-", stdin=raw) == expected_console
    assert run(program, str(write_wav(tmp_path / "a.wav", tones))) == expected_console


def test_without_trace_only_detections_are_printed(
    parts, tones: np.ndarray, expected_console: str, configured: Callable, tmp_path: Path
) -> None:
    config = configured(trace=False)
    built = build(load_board("host"), "zig", parts.app_dir, parts.features, parts.model, config, tmp_path)
    kept = [line for line in expected_console.splitlines() if not line.startswith("scores")]
    assert run(built.elf, stdin=tones.astype("<i2").tobytes()).splitlines() == kept


def test_chunks_before_the_samples_and_a_cut_file_are_read(
    program: Path, tones: np.ndarray, expected_console: str, tmp_path: Path
) -> None:
    data = write_wav(tmp_path / "a.wav", tones).read_bytes()
    extra = b"LIST" + (5).to_bytes(4, "little") + b"hello\0"  # an odd chunk is padded
    assert run(program, stdin=data[:12] + extra + data[12:]) == expected_console
    cut = run(program, stdin=data[: 44 + 2 * 16000 + 1])
    assert cut == "".join(expected_console.splitlines(keepends=True)[: 1 + 5])


@pytest.mark.parametrize(
    ("options", "message"),
    [({"rate_hz": 8000}, "another sample rate"), ({"channels": 2}, "not mono"), (None, "cannot be opened")],
)
def test_wrong_files_are_refused(program: Path, tmp_path: Path, options: dict | None, message: str) -> None:
    path = tmp_path / "wrong.wav"
    if options is not None:
        write_wav(path, np.zeros(3200, np.int16), **options)
    done = subprocess.run([program, path], capture_output=True, check=False, timeout=60)
    assert done.returncode == 1 and message in done.stderr.decode() and done.stdout == b""


@pytest.mark.skipif(shutil.which("gcc") is None, reason="no host gcc")
def test_gcc_on_the_host_agrees(parts, tones: np.ndarray, expected_console: str, tmp_path: Path) -> None:
    built = build(load_board("host"), "gcc", parts.app_dir, parts.features, parts.model, parts.config, tmp_path)
    assert run(built.elf, stdin=tones.astype("<i2").tobytes()) == expected_console
