"""Intel HEX, the linker script and the application's header."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinyml.board import load_board
from tinyml.errors import ProjectError
from tinyml.firmware import AppConfig, intel_hex, linker_script

CONFIG = {"labels": ("silence", "unknown", "yes"), "threshold": 0.8, "smooth_windows": 3, "refractory_ms": 500,
          "hops_per_inference": 10, "window_frames": 49}  # fmt: skip


def parse_hex(text: str) -> tuple[dict[int, int], int]:
    """Bytes by address, and the entry point; checks checksums and the end record."""
    memory, upper, entry = {}, 0, -1
    lines = text.splitlines()
    assert lines[-1] == ":00000001FF"
    for line in lines[:-1]:
        record = bytes.fromhex(line[1:])
        count, address, kind, data = record[0], int.from_bytes(record[1:3], "big"), record[3], record[4:-1]
        assert sum(record) % 256 == 0 and count == len(data)
        if kind == 4:
            upper = int.from_bytes(data, "big") << 16
        elif kind == 5:
            entry = int.from_bytes(data, "big")
        else:
            assert kind == 0
            memory |= {upper + address + i: b for i, b in enumerate(data)}
    return memory, entry


@given(start=st.integers(0, 0x30000), data=st.binary(min_size=1, max_size=200), gap=st.integers(0, 0x20000))
def test_hex_holds_every_byte_at_its_address(start: int, data: bytes, gap: int) -> None:
    second = start + len(data) + gap
    memory, entry = parse_hex(intel_hex([(start, data), (second, data[::-1])], 0x101))
    expected = {start + i: b for i, b in enumerate(data)} | {second + i: b for i, b in enumerate(data[::-1])}
    assert memory == expected and entry == 0x101


def test_hex_is_the_format_that_tools_know() -> None:
    # The example of the specification's data record: ten bytes at 0x0000 after an upper address of 0x0001.
    assert intel_hex([(0x10000, bytes(range(4)))], 0x10001) == (
        ":020000040001F9\n:0400000000010203F6\n:0400000500010001F5\n:00000001FF\n"
    )


def test_linker_script_is_derived_from_the_board() -> None:
    board = load_board("nrf52840")
    script = linker_script(board)
    assert "flash (rx) : ORIGIN = 0x00000000, LENGTH = 0x100000" in script
    assert "ram (rwx) : ORIGIN = 0x20000000, LENGTH = 0x40000" in script
    assert "> REGION_" not in script and "STACK_BYTES" not in script and "4096" in script
    assert "ORIGIN = 0x00026000, LENGTH = 0x87000" in linker_script(board.for_uf2())


def test_header_values() -> None:
    header = AppConfig(**CONFIG).header()
    assert "#define TM_APP_THRESHOLD_THOUSANDTHS 800u" in header
    assert "#define TM_APP_IGNORED_CLASSES 0x3u" in header
    assert '#define TM_APP_LABELS "silence", "unknown", "yes"' in header
    assert "#define TM_APP_TRACE 0" in header


def test_labels_become_console_words() -> None:
    config = AppConfig(**CONFIG | {"labels": ("silence", "turn on", "größe")})
    assert config.console_labels == ("silence", "turn_on", "größe")
    assert r'"turn_on", "gr\303\266\303\237e"' in config.header()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": ()}, "0 classes"),
        ({"labels": tuple(f"w{i}" for i in range(33))}, "33 classes"),
        ({"labels": ("a=b",)}, "cannot stand on a console line"),
        ({"labels": ("turn on", "turn_on")}, "look the same"),
        ({"smooth_windows": 17}, "smooth_windows is 17"),
        ({"threshold": 1.5}, "threshold is 1.5"),
        ({"threshold": float("nan")}, "threshold is nan"),
        ({"refractory_ms": -1}, "refractory_ms is -1"),
        ({"hops_per_inference": 0}, "at least 1"),
    ],
)
def test_values_the_detector_cannot_take(change: dict, message: str) -> None:
    with pytest.raises(ProjectError, match=message):
        AppConfig(**CONFIG | change)
