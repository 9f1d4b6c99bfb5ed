"""Every register that the virtual board models, against the vendor's SVD file."""

from __future__ import annotations

import pytest

pytest.importorskip("unicorn", reason="needs the virtual board (extra `sim`)")
from tinyml.board import load_board  # noqa: E402
from tinyml.errors import ProjectError  # noqa: E402
from tinyml.sim import VirtualBoard  # noqa: E402
from tinyml.sim.bus import ERRATA, Bus  # noqa: E402
from tinyml.sim.faults import BusError  # noqa: E402
from tinyml.sim.peripherals.system import MANUAL  # noqa: E402
from tinyml.sim.svd import load_svd, name_of  # noqa: E402

SVD = "nrf52840.svd"
CORE_ORIGIN = 0xE0000000
ACCESS = {"read-write": "rw", "read-only": "r", "write-only": "w"}
# Values that the factory or the state of the chip decides; the SVD gives them as erased or absent.
FACTORY = {"FICR"}


@pytest.fixture(scope="module")
def machine() -> VirtualBoard:
    return VirtualBoard(load_board("nrf52840"))


def modelled(machine: VirtualBoard) -> list[tuple]:
    return [(p, r) for p in machine.peripherals for r in p.all_registers()]


def test_every_register_stands_in_the_svd(machine: VirtualBoard) -> None:
    svd = load_svd(SVD)
    checked = 0
    for peripheral, register in modelled(machine):
        if peripheral.base >= CORE_ORIGIN:
            continue
        name = f"{peripheral.name}.{register.name}"
        assert name in svd, name
        found = svd[name]
        assert found.address == peripheral.base + register.offset, name
        assert ACCESS[found.access] == register.access, name
        if peripheral.name not in FACTORY:
            assert found.reset == register.reset, name
        checked += 1
    assert checked > 250


def test_registers_of_the_core_cite_their_manual(machine: VirtualBoard) -> None:
    core = [p for p in machine.peripherals if p.base >= CORE_ORIGIN]
    assert {p.name for p in core} == {"NVIC", "SCB", "SysTick", "CoreDebug", "DWT", "FPB"}
    assert MANUAL == "DDI 0403E"


def test_interrupt_numbers_follow_from_the_addresses(machine: VirtualBoard) -> None:
    with_interrupts = [p for p in machine.peripherals if p.irq is not None]
    assert {p.irq for p in with_interrupts} == {0, 2, 11, 17, 29, 36}
    assert all(p.irq == p.base >> 12 & 0x3F for p in with_interrupts)


def test_errata_addresses_are_cited_and_change_nothing(machine: VirtualBoard) -> None:
    for address, citation in ERRATA.items():
        assert "Errata, anomaly" in citation
        machine.write(address, b"\xff\xff\xff\xff")
        assert machine.read(address, 4) == bytes(4)


def test_what_is_not_modelled_is_an_error_with_the_vendors_name(machine: VirtualBoard) -> None:
    with pytest.raises(BusError, match=r"PDM.MCLKCONFIG|0x4001d51[04]"):
        machine.bus.read(0x4001D510)
    with pytest.raises(BusError, match=r"CLOCK.TASKS_CAL \(0x40000010\)"):
        machine.bus.write(0x40000010, 4, 1)
    with pytest.raises(BusError, match="8-bit"):
        machine.bus.read(0x40002500, 1)
    assert name_of(SVD, 0x40002500) in ("UART0.ENABLE", "UARTE0.ENABLE")
    assert name_of(SVD, 0x40002501) is None


def test_two_peripherals_may_not_claim_one_address(machine: VirtualBoard) -> None:
    with pytest.raises(ValueError, match="share"):
        Bus([machine.pdm, machine.pdm])


def test_an_unknown_svd_is_a_project_error() -> None:
    with pytest.raises(ProjectError, match="nosuch.svd"):
        load_svd("nosuch.svd")
