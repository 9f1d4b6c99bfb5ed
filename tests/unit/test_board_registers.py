"""The register header against the vendor's SVD file: every name, address, interrupt number and written value."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tinyml.board import load_board
from tinyml.resources import board_support_dir

pyocd = pytest.importorskip("pyocd", reason="the vendor's SVD files come with pyocd")
HEADER = board_support_dir() / "soc" / "nrf52840" / "nrf52840.h"


@pytest.fixture(scope="module")
def svd() -> dict[str, ElementTree.Element]:
    """Peripherals by name."""
    archive = zipfile.ZipFile(Path(pyocd.__file__).parent / "debug" / "svd" / "svd_data.zip")
    tree = ElementTree.fromstring(archive.read(load_board("nrf52840").svd))
    return {p.findtext("name"): p for p in tree.iter("peripheral")}


def registers(svd: dict[str, ElementTree.Element], peripheral: str) -> dict[str, tuple[int, ElementTree.Element]]:
    """(address, element) by name: `PSEL_CLK` for register CLK of cluster PSEL, `PIN_CNF` for an array's first."""
    element = svd[peripheral]
    base = int(element.findtext("baseAddress"), 0)
    source = svd[element.get("derivedFrom")] if element.get("derivedFrom") else element
    found = {}

    def walk(node: ElementTree.Element, offset: int, prefix: str) -> None:
        for child in node:
            if child.tag in ("register", "cluster"):
                name = prefix + child.findtext("name").replace("[%s]", "")
                at = offset + int(child.findtext("addressOffset"), 0)
                if child.tag == "register":
                    found[name] = (at, child)
                else:
                    walk(child, at, name + "_")

    walk(source.find("registers"), base, "")
    return found


def constants() -> dict[str, int]:
    return {name: int(value, 0) for name, value in re.findall(r"#define (\w+) (0x[0-9A-F]+|\d+)u", HEADER.read_text())}


def test_every_register_lies_where_the_vendor_says(svd: dict[str, ElementTree.Element]) -> None:
    names = [n for n in constants() if not n.endswith("_IRQ") and n != "GPIO_PORT_STRIDE"]
    assert len(names) > 35
    for name in names:
        peripheral, register = name.split("_", 1)
        assert registers(svd, peripheral)[register][0] == constants()[name], name


def test_ports_and_interrupts(svd: dict[str, ElementTree.Element]) -> None:
    values = constants()
    bases = [int(svd[p].findtext("baseAddress"), 0) for p in ("P0", "P1")]
    assert values["GPIO_PORT_STRIDE"] == bases[1] - bases[0]
    vendor = {i.findtext("name"): int(i.findtext("value")) for p in svd.values() for i in p.iter("interrupt")}
    ours = {n.removesuffix("_IRQ"): v for n, v in values.items() if n.endswith("_IRQ")}
    assert ours == {name: vendor[name] for name in ours} and len(ours) == 4


@pytest.mark.parametrize(
    ("file", "constant", "register", "value_name"),
    [
        ("pdm_nrf52.c", "PDMCLKCTRL_1280K", "PDM_PDMCLKCTRL", "1280K"),
        ("pdm_nrf52.c", "RATIO_80", "PDM_RATIO", "Ratio80"),
        ("pdm_nrf52.c", "MODE_MONO", "PDM_MODE", "Mono"),
        ("pdm_nrf52.c", "GAIN_0DB", "PDM_GAINL", "DefaultGain"),
        ("uarte_nrf52.c", "UARTE_ENABLED", "UARTE0_ENABLE", "Enabled"),
        ("uarte_nrf52.c", "BAUDRATE", "UARTE0_BAUDRATE", "Baud115200"),
        ("clock_nrf52.c", "LFCLK_SOURCE", "CLOCK_LFCLKSRC", "Xtal"),
        ("clock_nrf52.c", "HFCLK_SOURCE_XTAL", "CLOCK_HFCLKSTAT", "Xtal"),
        ("clock_nrf52.c", "ICACHECNF_CACHEEN", "NVMC_ICACHECNF", "Enabled"),
    ],
)
def test_written_values_are_the_vendors(
    svd: dict[str, ElementTree.Element], file: str, constant: str, register: str, value_name: str
) -> None:
    text = (board_support_dir() / "drivers" / file).read_text()
    ours = int(re.search(rf"#define {constant} (\w+?)u", text)[1], 0)
    peripheral, name = register.split("_", 1)
    element = registers(svd, peripheral)[name][1]
    values = {v.findtext("name"): int(v.findtext("value"), 0) for v in element.iter("enumeratedValue")}
    assert ours == values[value_name]


@pytest.mark.parametrize(
    ("file", "constant", "register", "field"),
    [
        ("pdm_nrf52.c", "PDM_INT_STARTED", "PDM_INTENSET", "STARTED"),
        ("pdm_nrf52.c", "PDM_INT_END", "PDM_INTENSET", "END"),
        ("uarte_nrf52.c", "UARTE_INT_ENDTX", "UARTE0_INTENSET", "ENDTX"),
        ("rtc_nrf52.c", "RTC_INT_OVRFLW", "RTC1_INTENSET", "OVRFLW"),
        ("rtc_nrf52.c", "RTC_INT_COMPARE0", "RTC1_INTENSET", "COMPARE0"),
        ("clock_nrf52.c", "CLOCK_INT_HFCLKSTARTED", "CLOCK_INTENSET", "HFCLKSTARTED"),
        ("clock_nrf52.c", "CLOCK_INT_LFCLKSTARTED", "CLOCK_INTENCLR", "LFCLKSTARTED"),
    ],
)
def test_interrupt_bits_are_the_vendors(
    svd: dict[str, ElementTree.Element], file: str, constant: str, register: str, field: str
) -> None:
    text = (board_support_dir() / "drivers" / file).read_text()
    ours = int(re.search(rf"#define {constant} \(1u << (\d+)\)", text)[1])
    peripheral, name = register.split("_", 1)
    element = registers(svd, peripheral)[name][1]
    (bit,) = (int(f.findtext("lsb")) for f in element.iter("field") if f.findtext("name") == field)
    assert ours == bit


def test_the_rate_is_exactly_16_kilohertz() -> None:
    # PS v1.7, 6.15.7 PDMCLKCTRL: 0x0A000000 divides 32 MHz by 25.
    assert 32_000_000 / 25 / 80 == 16_000
