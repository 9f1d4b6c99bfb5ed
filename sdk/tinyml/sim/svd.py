"""Registers from the vendor's SVD file in pyOCD's package: the truth that the peripherals are checked against."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources
from xml.etree import ElementTree

from tinyml.errors import ProjectError, missing_extra

_ARCHIVE = "debug/svd/svd_data.zip"


@dataclass(frozen=True)
class SvdRegister:
    """A register as the vendor describes it; `name` is PERIPHERAL.REGISTER, clusters joined with dots."""

    name: str
    address: int
    access: str
    reset: int


def _number(text: str | None, default: int = 0) -> int:
    return default if text is None else int(text.strip().replace("#", "0b"), 0)


def _instances(node: ElementTree.Element) -> Iterator[tuple[str, int]]:
    """(name, offset) of a register or cluster; an array has several."""
    name = node.findtext("name", "")
    offset = _number(node.findtext("addressOffset"))
    count = node.findtext("dim")
    if count is None:
        yield name, offset
        return
    step = _number(node.findtext("dimIncrement"))
    for index in range(_number(count)):
        yield name.replace("[%s]", f"[{index}]").replace("%s", str(index)), offset + index * step


def _walk(nodes: ElementTree.Element, prefix: str, base: int) -> Iterator[SvdRegister]:
    for node in nodes:
        if node.tag not in ("register", "cluster"):
            continue
        for name, offset in _instances(node):
            if node.tag == "register":
                access, reset = node.findtext("access", "read-write"), _number(node.findtext("resetValue"))
                yield SvdRegister(f"{prefix}{name}", base + offset, access, reset)
            else:
                yield from _walk(node, f"{prefix}{name}.", base + offset)


@cache
def load_svd(file_name: str) -> dict[str, SvdRegister]:
    """All registers of an SVD by name. Raises: MissingToolError without pyOCD, ProjectError for an unknown file."""
    try:
        archive = resources.files("pyocd").joinpath(_ARCHIVE)
    except ModuleNotFoundError as error:
        raise missing_extra("sim", "pyocd") from error
    with archive.open("rb") as stream, zipfile.ZipFile(stream) as files:
        if file_name not in files.namelist():
            raise ProjectError(f"pyOCD's package holds no SVD file `{file_name}`")
        root = ElementTree.fromstring(files.read(file_name))
    peripherals = {p.findtext("name", ""): p for p in root.iter("peripheral")}
    found: dict[str, SvdRegister] = {}
    for name, peripheral in peripherals.items():
        source = peripheral
        while source.find("registers") is None and "derivedFrom" in source.attrib:
            source = peripherals[source.attrib["derivedFrom"]]
        registers = source.find("registers")
        if registers is not None:
            base = _number(peripheral.findtext("baseAddress"))
            found.update((r.name, r) for r in _walk(registers, f"{name}.", base))
    return found


def name_of(file_name: str, address: int) -> str | None:
    """The vendor's name of the register at `address`, for messages."""
    names = sorted(r.name for r in load_svd(file_name).values() if r.address == address)
    return names[0] if names else None
