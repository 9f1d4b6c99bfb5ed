"""What `tinyml bench` and `tinyml export` say of layers that run row by row and of pushed frames."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.golden.networks import frames_network, image_network

from tinyml.ir.save import save


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """image.tir has a chain of rows, frames.tir windows that overlap."""
    folder = tmp_path_factory.mktemp("models")
    save(image_network(), folder / "image.tir")
    save(frames_network(), folder / "frames.tir")
    return folder


def said(folder: Path, *arguments: str) -> str:
    done = subprocess.run([sys.executable, "-m", "tinyml.cli.main", *arguments], cwd=folder, capture_output=True,
                          text=True, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_bench_shows_what_a_chain_saves_and_costs(folder: Path) -> None:
    text = said(folder, "bench", "image.tir", "--runs", "1")
    line = re.search(r"^Rows:  layers 00-(\d\d) run row by row: arena ([\d,]+) -> ([\d,]+) bytes, "
                     r"\+(\d+\.\d) % cycles \(estimated\)$", text, re.MULTILINE)  # fmt: skip
    result = json.loads(said(folder, "bench", "image.tir", "--runs", "1", "--json"))
    (chain,) = result["chains"]
    assert [int(line[2].replace(",", "")), int(line[3].replace(",", ""))] == [
        chain["arena_bytes_before"], chain["arena_bytes"]
    ]  # fmt: skip
    assert chain["arena_bytes"] == result["arena_bytes"] < chain["arena_bytes_before"]
    assert (chain["first"], chain["last"]) == (0, int(line[1]))
    assert chain["layers"] == [layer["name"] for layer in result["layers"][: chain["last"] + 1]]
    added = 100 * (chain["estimated_cycles"] / chain["estimated_cycles_before"] - 1)
    assert added == pytest.approx(float(line[4]), abs=0.051)


def test_bench_says_nothing_of_rows_where_there_is_no_chain(folder: Path) -> None:
    assert "Rows:" not in said(folder, "bench", "frames.tir", "--runs", "1")
    assert json.loads(said(folder, "bench", "frames.tir", "--runs", "1", "--json"))["chains"] == []


def test_export_says_what_a_push_means(folder: Path) -> None:
    text = said(folder, "export", "frames.tir", "frames_c", "--stream", "--name", "f")
    assert ("windows overlap: from push 9 on, every f_push of a frame of 6 bytes gives the output of the newest 9 "
            "frames\n") in text  # fmt: skip
    text = said(folder, "export", "image.tir", "image_c", "--stream")
    assert ("windows do not overlap (layer `conv_1`: it pads time by 1 rows before and 1 after): 32 pushes of 96 "
            "bytes are one input; the last of them gives its output, and the next m_push begins another input\n"
            ) in text  # fmt: skip
    assert "windows" not in said(folder, "export", "image.tir", "whole_c")


def test_export_tells_other_programs_the_same(folder: Path) -> None:
    found = json.loads(said(folder, "export", "image.tir", "json_c", "--stream", "--json"))["windows"]
    assert found.pop("why_apart").startswith("layer `conv_1`: ")
    assert found == {"frames": 32, "frame_bytes": 96, "overlap": False}
