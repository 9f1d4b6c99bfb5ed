"""The microphone: what arrives in memory, at what rate, and what is lost."""

from __future__ import annotations

import numpy as np
import pytest

BLOCK, BLOCKS = 320, 10
EXACT_RATE = ("PDMCLKCTRL=0x0A000000", "RATIO=1")


@pytest.fixture(scope="module")
def sound() -> np.ndarray:
    return np.random.default_rng(0).integers(-32768, 32768, 16000).astype(np.int16)


def checksum(samples: np.ndarray) -> int:
    total = 0
    for value in samples.astype(np.uint16).tolist():
        total = (total * 31 + value) & 0xFFFFFFFF
    return total


def test_every_sample_arrives_once(run_program, sound: np.ndarray) -> None:
    result = run_program("record", ["WORK=10", *EXACT_RATE], microphone=sound)
    assert result.console == f"sum={checksum(sound[: BLOCK * BLOCKS])}\nstopped=1\n"
    assert (result.lost_samples, result.missed_deadlines, result.fault) == (0, 0, None)
    assert result.seconds == pytest.approx(1.3, abs=0.01)


def test_silence_follows_the_sound(run_program, sound: np.ndarray) -> None:
    short = sound[: 4 * BLOCK + 7]
    result = run_program("record", ["WORK=10", *EXACT_RATE], microphone=short, seconds=0.5)
    padded = np.concatenate([short, np.zeros(BLOCK * BLOCKS - len(short), np.int16)])
    assert f"sum={checksum(padded)}\n" in result.console


def test_a_driver_that_does_not_arm_the_next_buffer_loses_audio(run_program, marked_line, sound: np.ndarray) -> None:
    # 900,000 rounds with interrupts off last 70 ms: three buffers end, the first of the next ones was armed.
    result = run_program("record", ["WORK=900000", "MASKED", *EXACT_RATE], microphone=sound)
    assert (result.lost_samples, result.missed_deadlines) == (2 * BLOCK, 2)
    assert {m.place.function for m in result.misses} == {"work"}
    assert result.misses[0].backtrace[0].line == marked_line("record")
    assert result.misses[0].place.file.endswith("record.c")


def test_the_rate_follows_clock_and_ratio(run_program, board) -> None:
    """1.032 MHz / 64 = 16,125 Hz: ten blocks take less time than at 16,000 Hz."""
    t = np.arange(16000) / 16000
    sound = np.round(12000 * np.sin(2 * np.pi * 440 * t)).astype(np.int16)
    times = {}
    for name, setting in {"exact": EXACT_RATE, "default": ("PDMCLKCTRL=0x08400000", "RATIO=0")}.items():
        result = run_program("record", ["WORK=10", "BLOCKS=1000u", *setting], microphone=sound, seconds=1.0)
        times[name] = result.functions["PDM_IRQHandler"]
    # Handler runs in one second: 50 blocks against 50.39.
    assert times["default"] >= times["exact"]


def test_a_wrong_microphone_array_is_refused(run_program) -> None:
    from tinyml.errors import ProjectError

    with pytest.raises(ProjectError, match=r"int16\[n\]"):
        run_program("hello", microphone=np.zeros(10, np.float32))
