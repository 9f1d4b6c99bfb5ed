"""Five real recordings through a stored network of the project's own training: host and virtual board, score by score.

`digits.tir` is the int8 network that `make acceptance-digits` trained on synthesised speech alone: no recording of
anybody's went into it.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from tinyml import firmware
from tinyml.board import load_board
from tinyml.compiler import compile_graph, write
from tinyml.data import evaluation_stream
from tinyml.data.pcm import decode
from tinyml.evaluate.clips import judge, run_host_program
from tinyml.evaluate.console import scores
from tinyml.features import LogMelSpec, write_c
from tinyml.ir.save import load
from tinyml.resources import apps_dir
from tinyml.sim import simulate

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
NETWORK = Path(__file__).parent / "networks" / "digits.tir"
SPEAKER = "george"


def traced_image(board_name: str, out: Path) -> firmware.Image:
    board = load_board(board_name)
    config = firmware.AppConfig(labels=("silence", "unknown", *DIGITS), threshold=0.8, smooth_windows=3,
                                refractory_ms=500, hops_per_inference=10, window_frames=49, trace=True)  # fmt: skip
    model = write(compile_graph(load(NETWORK), board.isa), out / "model")
    return firmware.build(board, "zig", apps_dir() / "kws" / "firmware", write_c(LogMelSpec(), out / "features"), model,
                          config, out)  # fmt: skip


@pytest.fixture(scope="module")
def clips(shared_dir: Path) -> list[tuple[str, np.ndarray]]:
    """One recording each of five digits by one speaker, in the judging protocol."""
    with (shared_dir / "data" / "splits" / "spoken_digits.csv").open() as file:
        rows = [r for r in csv.DictReader(file) if r["speaker"] == SPEAKER and r["index"] == "7"]
    chosen = sorted(rows, key=lambda r: r["file"])[::2]
    folder = shared_dir / "data" / "spoken_digits"
    return [(r["label"], evaluation_stream(decode(folder / r["file"])[0], np.random.default_rng(i)))
            for i, r in enumerate(chosen)]  # fmt: skip


def test_five_digits_are_scored_alike_on_host_and_board(tmp_path: Path, clips: list[tuple[str, np.ndarray]]) -> None:
    host, image = traced_image("host", tmp_path / "host"), traced_image("nrf52840", tmp_path / "board")
    right = 0
    for label, pcm in clips:
        on_host = judge(run_host_program(host.elf, pcm), DIGITS)
        heard = simulate(load_board("nrf52840"), image.elf, microphone=pcm, profile=False)
        assert heard.fault is None
        assert heard.lost_samples == 0
        assert scores(heard.console)[: len(on_host.scores)] == on_host.scores
        right += on_host.label == label
    assert len(clips) == 5
    assert right >= 3
