"""Judge isolated clips: each alone after a reset, through a program that prints traced scores."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tinyml.errors import DeviceError
from tinyml.evaluate.console import Scores, scores


@dataclass(frozen=True)
class Verdict:
    """The decision on one clip and the scores that led to it."""

    label: str
    thousandths: int
    scores: tuple[Scores, ...]


def run_host_program(program: Path, pcm: np.ndarray) -> str:
    """Feed int16 PCM to a native image; returns its console. Raises: DeviceError when it fails."""
    done = subprocess.run([str(program)], input=pcm.astype("<i2").tobytes(), capture_output=True, check=False)
    if done.returncode != 0:
        raise DeviceError(f"the host program ended with status {done.returncode}",
                          details=done.stderr.decode(errors="replace").splitlines()[-5:])  # fmt: skip
    return done.stdout.decode()


def judge(console: str, words: Sequence[str]) -> Verdict:
    """The word with the highest smoothed score anywhere in a traced console; ties go to the earlier word.

    Raises: DeviceError when the console holds no `scores` line (trace is off, or the program did not run).
    """
    lines = scores(console)
    if not lines:
        raise DeviceError("the console printed no scores", hint="set `trace = true` in [detect]")
    best = {word: max(line.thousandths[word] for line in lines) for word in words}
    label = max(words, key=lambda word: best[word])
    return Verdict(label, best[label], lines)
