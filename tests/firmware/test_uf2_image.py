"""An image linked for the UF2 bootloader, through the file a drive would get, runs where the bootloader starts it."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from tinyml.board import load_board
from tinyml.deploy import DeployOptions, runners
from tinyml.errors import ProjectError
from tinyml.firmware import build
from tinyml.sim import VirtualBoard
from tinyml.sim.peripherals.pdm import Microphone

RUNNER = runners()["uf2"]


@pytest.fixture(scope="module")
def image(parts, tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("uf2")
    board = load_board("nrf52840")
    return build(board, "zig", parts.app_dir, parts.features, parts.model, parts.config, folder, uf2=True)


def test_the_file_s_blocks_are_the_application(
    image, tones: np.ndarray, expected_console: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tinyml.deploy.uf2_drive.volumes", list)
    board = load_board("nrf52840")
    result = RUNNER.run(image, board, DeployOptions())
    assert RUNNER.behind_bootloader and board.for_uf2().memory("flash").origin == 0x26000

    machine = VirtualBoard(board.for_uf2())
    data = result.file.read_bytes()
    for position in range(0, len(data), 512):
        address, size = struct.unpack_from("<12xII", data, position)
        machine.poke(address, data[position + 32 : position + 32 + size])
    machine.pdm.microphone = Microphone(tones, 16000)
    machine.reset()
    machine.run(round((len(tones) / 16000 + 0.3) * machine.cpu_hz))
    assert machine.trace.console_text.startswith(expected_console)


def test_an_image_linked_for_a_debug_probe_is_refused(parts, tmp_path) -> None:
    board = load_board("nrf52840")
    plain = build(board, "zig", parts.app_dir, parts.features, parts.model, parts.config, tmp_path)
    with pytest.raises(ProjectError, match="would overwrite the bootloader"):
        RUNNER.run(plain, board, DeployOptions())
    assert not list(tmp_path.glob("*.uf2"))
