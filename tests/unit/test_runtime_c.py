"""The feature ring and the console text of the runtime, in C, against what they promise."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinyml.runtime import RUNTIME_DIR, RUNTIME_SOURCES, detect_line, scores_line
from tinyml.toolchain import host_library


@pytest.fixture(scope="module")
def runtime() -> ctypes.CDLL:
    library = ctypes.CDLL(str(host_library("runtime", RUNTIME_SOURCES, include_dirs=[RUNTIME_DIR])))
    library.tm_feature_ring_next.restype = ctypes.POINTER(ctypes.c_int8)
    return library


class _Ring(ctypes.Structure):
    _fields_ = [("frames", ctypes.c_void_p), ("count", ctypes.c_uint32), ("bins", ctypes.c_uint32),
                ("next", ctypes.c_uint32)]  # fmt: skip


@pytest.mark.parametrize(("count", "bins"), [(1, 1), (3, 4), (49, 40)])
def test_the_window_is_the_last_frames_oldest_first(runtime: ctypes.CDLL, count: int, bins: int) -> None:
    rng = np.random.default_rng(0)
    frames = rng.integers(-128, 128, (3 * count + 1, bins)).astype(np.int8)
    expected = np.full((count, bins), 7, np.int8)
    ring, memory = _Ring(), np.zeros(count * bins + 8, np.int8)
    window = np.zeros((count, bins), np.int8)
    runtime.tm_feature_ring_reset(ctypes.byref(ring), ctypes.c_void_p(memory.ctypes.data), count, bins, 7)
    for frame in frames:
        ctypes.memmove(runtime.tm_feature_ring_next(ctypes.byref(ring)), frame.ctypes.data, bins)
        expected = np.concatenate([expected[1:], frame[None]])
        runtime.tm_feature_ring_copy(ctypes.byref(ring), ctypes.c_void_p(window.ctypes.data))
        np.testing.assert_array_equal(window, expected)
    assert not memory[count * bins :].any()


class _Text(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("size", ctypes.c_uint32), ("length", ctypes.c_uint32)]


def written(runtime: ctypes.CDLL, size: int, *calls: tuple) -> str:
    buffer = ctypes.create_string_buffer(b"#" * (size + 4))
    text = _Text()
    runtime.tm_text_begin(ctypes.byref(text), buffer, size)
    for name, *arguments in calls:
        getattr(runtime, f"tm_text_{name}")(ctypes.byref(text), *arguments)
    assert buffer.raw[size : size + 4] == b"####"
    return buffer.raw[: text.length].decode()


@given(value=st.integers(0, 2**32 - 1), digits=st.integers(1, 9))
def test_numbers(runtime: ctypes.CDLL, value: int, digits: int) -> None:
    number = ctypes.c_uint32(value)
    assert written(runtime, 32, ("unsigned", number)) == str(value)
    assert written(runtime, 32, ("decimal", number, digits)) == f"{value // 10**digits}.{value % 10**digits:0{digits}d}"


def test_what_does_not_fit_is_left_out(runtime: ctypes.CDLL) -> None:
    assert written(runtime, 5, ("string", b"abc"), ("unsigned", 12345), ("string", b"x")) == "abc12"


def test_lines_of_the_twin() -> None:
    assert detect_line("yes", 93, 1240) == "detect label=yes score=0.93 t_ms=1240"
    assert detect_line("yes", 100, 1240) == "detect label=yes score=1.00 t_ms=1240"
    assert scores_line(("yes", "no"), (12, 934), 1240) == "scores t_ms=1240 yes=0.012 no=0.934"
