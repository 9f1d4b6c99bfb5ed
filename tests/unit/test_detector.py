"""detector.c against its Python twin, and the rules both state."""

from __future__ import annotations

import ctypes
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinyml.runtime import RUNTIME_DIR, Detector, DetectorConfig
from tinyml.runtime.detector import MAX_CLASSES, MAX_WINDOWS
from tinyml.toolchain import host_library

NO_CLASS = 0xFFFFFFFF


class _Config(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint32) for name in ("classes", "windows", "threshold", "refractory_ms", "ignored")]


class CDetector:
    """detector.c through ctypes, with the interface of the twin."""

    def __init__(self, config: DetectorConfig) -> None:
        self._c = ctypes.CDLL(str(host_library("detector", [RUNTIME_DIR / "detector.c"], include_dirs=[RUNTIME_DIR])))
        self._c.tm_detector_push.restype = self._c.tm_detector_score.restype = ctypes.c_uint32
        ignored = sum(1 << i for i in config.ignored)
        self._config = _Config(config.classes, config.windows, config.threshold_thousandths, config.refractory_ms,
                               ignored)  # fmt: skip
        self._state = ctypes.create_string_buffer(4096)
        self._c.tm_detector_reset(self._state, ctypes.byref(self._config))

    def push(self, probabilities: np.ndarray, t_ms: int) -> int | None:
        values = np.ascontiguousarray(probabilities, np.int8)
        found = self._c.tm_detector_push(self._state, values.ctypes.data_as(ctypes.c_void_p), ctypes.c_uint32(t_ms))
        return None if found == NO_CLASS else found

    def score(self, class_index: int, scale: int = 1000) -> int:
        return self._c.tm_detector_score(self._state, class_index, scale)


@st.composite
def streams(draw: st.DrawFn) -> tuple[DetectorConfig, int, int, np.ndarray]:
    """A configuration, the time of the first inference, the period, and probabilities that stay for a while."""
    classes = draw(st.integers(1, MAX_CLASSES))
    config = DetectorConfig(
        classes, draw(st.integers(1, MAX_WINDOWS)), draw(st.integers(0, 1000)), draw(st.integers(0, 3000)),
        frozenset(draw(st.sets(st.integers(0, classes - 1)))),
    )  # fmt: skip
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    held = rng.integers(-128, 128, (30, classes)).repeat(rng.integers(1, 6, 30), axis=0).astype(np.int8)
    return config, draw(st.integers(0, 2**32 - 1)), draw(st.integers(20, 500)), held


@settings(max_examples=150, deadline=None)
@given(streams())
def test_c_and_python_agree(stream: tuple[DetectorConfig, int, int, np.ndarray]) -> None:
    config, start, period, probabilities = stream
    python, c = Detector(config), CDetector(config)
    for i, row in enumerate(probabilities):
        t_ms = (start + i * period) % 2**32
        assert python.push(row, t_ms) == c.push(row, t_ms)
        for scale in (100, 1000):
            assert [python.score(k, scale) for k in range(config.classes)] == [
                c.score(k, scale) for k in range(config.classes)
            ]


def run(config: DetectorConfig, probabilities: list[list[int]], period_ms: int = 200) -> list[tuple[int, int]]:
    """(index of the inference, class) of every detection; C and twin must both make them."""
    found = []
    for make in (Detector, CDetector):
        detector: Detector | CDetector = make(config)
        hits = [(i, detector.push(np.array(p) - 128, (i + 1) * period_ms)) for i, p in enumerate(probabilities)]
        found.append([(i, c) for i, c in hits if c is not None])
    assert found[0] == found[1]
    return found[0]


YES, NO, QUIET = [0, 255, 0], [0, 0, 255], [255, 0, 0]


@pytest.fixture
def config() -> Callable[..., DetectorConfig]:
    def make(windows: int = 1, threshold: int = 800, refractory_ms: int = 500) -> DetectorConfig:
        return DetectorConfig(3, windows, threshold, refractory_ms, frozenset({0}))

    return make


def test_ignored_classes_are_never_detected(config: Callable[..., DetectorConfig]) -> None:
    assert run(config(), [QUIET] * 10) == []


def test_a_word_that_stays_is_one_detection(config: Callable[..., DetectorConfig]) -> None:
    assert run(config(), [QUIET, *[YES] * 20, QUIET]) == [(1, 1)]


def test_refractory_time_holds_every_class_back(config: Callable[..., DetectorConfig]) -> None:
    assert run(config(refractory_ms=600), [YES, QUIET, NO, NO, NO]) == [(0, 1), (3, 2)]
    assert run(config(refractory_ms=0), [YES, NO, YES]) == [(0, 1), (1, 2), (2, 1)]


def test_smoothing_starts_from_zero_and_needs_its_windows(config: Callable[..., DetectorConfig]) -> None:
    # 255/256 * 2/3 = 0.664 is below 0.8; the third window reaches 0.996.
    assert run(config(windows=3), [YES] * 4) == [(2, 1)]


def test_the_threshold_is_reached_exactly(config: Callable[..., DetectorConfig]) -> None:
    half = [0, 128, 0]
    assert run(config(threshold=500), [half]) == [(0, 1)]
    assert run(config(threshold=501), [half]) == []


def test_the_first_of_equals_wins() -> None:
    assert run(DetectorConfig(3, 1, 100, 0), [[90, 90, 90]]) == [(0, 0)]


def test_scores_round_half_up() -> None:
    # 32/256 = 0.125 and 1/256 = 0.00390625
    for make in (Detector, CDetector):
        detector = make(DetectorConfig(2, 1, 1000, 0))
        detector.push(np.array([32 - 128, 1 - 128]), 0)
        assert (detector.score(0, 100), detector.score(0, 1000), detector.score(1, 1000)) == (13, 125, 4)


def test_time_wraps(config: Callable[..., DetectorConfig]) -> None:
    for make in (Detector, CDetector):
        detector = make(config(refractory_ms=500))
        times = [2**32 - 200, 0, 200, 400]
        rows = [YES, QUIET, NO, NO]
        found = [detector.push(np.array(p) - 128, t) for p, t in zip(rows, times, strict=True)]
        assert found == [1, None, None, 2]
