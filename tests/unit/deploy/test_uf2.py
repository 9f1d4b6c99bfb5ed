"""The UF2 writer against a reader written from the specification alone."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinyml.deploy import uf2
from tinyml.firmware.segments import Segment

FAMILY = 0xADA52840


def read_uf2(data: bytes) -> dict[int, bytes]:
    """Flash as a bootloader would have it after taking `data`: address -> 256 bytes. Every field is checked.

    Source: UF2 README, "File format"; Adafruit_nRF52_Bootloader ghostfat.c `is_uf2_block` (payload of 256, aligned).
    """
    assert len(data) % 512 == 0
    count = len(data) // 512
    flash: dict[int, bytes] = {}
    for number in range(count):
        block = data[512 * number : 512 * (number + 1)]
        assert block[0:4] == b"UF2\n"
        assert block[4:8] == bytes.fromhex("57515d9e")
        assert block[508:] == bytes.fromhex("306fb10a")
        flags, address, size, index, total, family = struct.unpack_from("<6I", block, 8)
        assert flags == 0x00002000, "main flash, family id present, nothing else"
        assert (size, index, total, family) == (256, number, count, FAMILY)
        assert address % 256 == 0
        assert address not in flash, "two blocks for one page: the second would erase the first"
        assert block[32 + size : 508] == b"\xff" * 220
        flash[address] = block[32 : 32 + size]
    assert list(flash) == sorted(flash)
    return flash


def test_one_short_segment_is_one_padded_block() -> None:
    flash = read_uf2(uf2.encode([Segment(0x1000, b"tiny")], FAMILY))
    assert flash == {0x1000: b"tiny" + b"\xff" * 252}


def test_two_segments_that_share_a_page_share_a_block() -> None:
    flash = read_uf2(uf2.encode([Segment(0x1000, bytes(300)), Segment(0x1180, b"\x01\x02")], FAMILY))
    assert sorted(flash) == [0x1000, 0x1100]
    assert flash[0x1100] == bytes(44) + b"\xff" * 84 + b"\x01\x02" + b"\xff" * 126


@st.composite
def images(draw: st.DrawFn) -> list[Segment]:
    segments, address = [], 0x1000
    for _ in range(draw(st.integers(1, 5))):
        address += draw(st.integers(0, 700))
        segments.append(Segment(address, draw(st.binary(min_size=1, max_size=900))))
        address = segments[-1].end
    return segments


@given(images())
def test_flash_holds_the_image_and_is_erased_elsewhere(segments: list[Segment]) -> None:
    flash = read_uf2(uf2.encode(segments, FAMILY))
    covered = set()
    for segment in segments:
        for offset, byte in enumerate(segment.data):
            address = segment.address + offset
            assert flash[address & ~255][address & 255] == byte
            covered.add(address)
    blank = {base + i for base, page in flash.items() for i in range(256)} - covered
    assert all(flash[address & ~255][address & 255] == 0xFF for address in blank)
    assert {address & ~255 for address in covered} == set(flash), "no block without data"


def test_the_reader_of_this_test_can_fail() -> None:
    data = bytearray(uf2.encode([Segment(0x1000, bytes(600))], FAMILY))
    data[512 + 20] ^= 1  # the number of the second block
    with pytest.raises(AssertionError):
        read_uf2(bytes(data))
