"""The architecture file: what is written is read back, and what describes no network is refused by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tinyml.architecture import Architecture, Block, Found, Geometry, Network, Stem, read_network, write_network
from tinyml.errors import ProjectError
from tinyml.nas.space import architecture, sample
from tinyml.nas.space_file import load_space, shipped_spaces

FOUND = Found("tinyml search --budget 20m", "2026-11-28", 3, "nrf52840", "synth:0123", ("silence", "unknown", "on"),
              "kws", 40000, 200000, 4_000_000, "key", "record", "weights")  # fmt: skip
NETWORK = Network(
    Geometry(49, 40, 1, 20), Stem(24, (10, 4), (2, 2)),
    (Block((3, 3), (1, 1), 0, 24, False, True), Block((5, 3), (1, 1), 96, 24, True, False)), 64, FOUND,
)  # fmt: skip


@pytest.mark.parametrize("name", shipped_spaces())
def test_every_network_of_a_search_is_read_back(name: str, tmp_path: Path) -> None:
    space, rng = load_space(name, tmp_path), np.random.default_rng(0)
    for _ in range(20):
        arch = architecture(space, sample(space, rng), 7)
        write_network(Network.of(arch), tmp_path / "network.toml")
        assert read_network(tmp_path / "network.toml").architecture(7) == arch


def test_where_it_comes_from_is_read_back(tmp_path: Path) -> None:
    write_network(NETWORK, tmp_path / "network.toml")
    assert read_network(tmp_path / "network.toml") == NETWORK


def test_it_reads_as_a_network_does(tmp_path: Path) -> None:
    write_network(NETWORK, tmp_path / "network.toml")
    lines = (tmp_path / "network.toml").read_text().splitlines()
    assert "geometry = {mel_bins = 40, frames = 49, hop_ms = 20}" in lines
    assert "stem = {channels = 24, kernel = [10, 4], stride = [2, 2]}" in lines
    assert sum("kernel" in line for line in lines) == 3


def test_a_stem_over_the_whole_width_and_images(tmp_path: Path) -> None:
    network = Network(Geometry(32, 32, 3), Stem(8, (3, 1), (2, 1), collapse=True),
                      (Block((3, 1), (1, 1), 0, 8, True, True),))  # fmt: skip
    write_network(network, tmp_path / "network.toml")
    assert read_network(tmp_path / "network.toml") == network
    assert isinstance(network.architecture(2), Architecture)


@pytest.mark.parametrize(
    ("old", "new", "message", "hint"),
    [
        ("mel_bins", "mel_bin", "unknown key `geometry.mel_bin`", "did you mean `geometry.mel_bins`?"),
        ("residual = true", "residul = true", "unknown key `blocks.1.residul`", "did you mean `blocks.1.residual`?"),
        ("schema = 1", "schema = 2", "`schema`", "docs/architecture-file.md"),
        ("hop_ms = 20", "height = 3", "neither a spectrogram nor an image", "mel_bins, frames and hop_ms"),
        ("kernel = [5, 3]", "kernel = [4, 3]", "kernels of blocks odd", "docs/architecture-file.md"),
        ("kernel = [5, 3]", "kernel = 5", "`blocks.1.kernel`", "docs/architecture-file.md"),
        ("channels = 24, residual = true", "channels = 28, residual = true", "changes its input's shape", ""),
        ("hidden = 96", "hidden = -4", "`blocks.1.hidden`.*greater than or equal to 0", ""),
        ("channels = 64", 'channels = "64"', "`head.channels`", ""),
        ("frames = 49", "frames = 1", "nothing is left of .* behind `stem`", "smaller kernels"),
        ("relu = true}", "relu = 1}", "`blocks.0.relu`", ""),
        ("[found]", "[fuond]", "unknown key `fuond`", "did you mean `found`?"),
        ("schema = 1", "schema = ", "not valid TOML", ""),
    ],
)
def test_wrong_files_are_explained(tmp_path: Path, old: str, new: str, message: str, hint: str) -> None:
    path = tmp_path / "network.toml"
    write_network(NETWORK, path)
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(ProjectError, match=message) as caught:
        read_network(path)
    assert hint in (caught.value.hint or "")


def test_a_missing_file_names_the_search(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="does not exist") as caught:
        read_network(tmp_path / "network.toml")
    assert "tinyml search" in (caught.value.hint or "")
