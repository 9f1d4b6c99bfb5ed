"""A virtual nRF52840 with blank flash on a probe that pyOCD finds among its own."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pyocd.debug.svd.loader import SVDFile
from pyocd.probe import aggregator

from tinyml.board import Board, load_board
from tinyml.sim import VirtualBoard
from tinyml.sim.peripherals import nvmc

from .virtual_machine import VirtualMachine
from .virtual_probe import VirtualProbe


@pytest.fixture
def board() -> Board:
    return load_board("nrf52840")


@pytest.fixture
def plug(board: Board, monkeypatch: pytest.MonkeyPatch) -> Callable[..., VirtualProbe]:
    """Attaches virtual probes, each with a blank chip of its own; pyOCD sees them and no others."""
    monkeypatch.setattr(aggregator, "PROBE_CLASSES", {"virtual": VirtualProbe})
    monkeypatch.setattr(VirtualProbe, "attached", [])
    # pyOCD leaves the archive of register descriptions open, which the tests would report as a warning.
    monkeypatch.setattr(SVDFile, "from_builtin", classmethod(lambda cls, name: None))
    # The algorithm polls the flash controller and feeds the watchdog meanwhile; real times would take minutes here.
    monkeypatch.setattr(nvmc, "ERASE_PAGE_S", 200e-6)
    monkeypatch.setattr(nvmc, "WRITE_S", 0.5e-6)

    def attach(unique_id: str = "VIRTUAL0001", **options: bool) -> VirtualProbe:
        probe = VirtualProbe(VirtualMachine(VirtualBoard(board)), unique_id, **options)
        VirtualProbe.attached.append(probe)
        return probe

    return attach
