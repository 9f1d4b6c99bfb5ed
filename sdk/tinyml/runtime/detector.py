"""The Python twin of detector.c: smoothing, threshold and refractory time, exact in integers.

A probability is an int8 q that stands for (q + 128) / 256. The smoothed score of a class is the mean of its last
`windows` probabilities; windows before the first count as 0. See detector.h for when a detection is made.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

MAX_CLASSES = 32
MAX_WINDOWS = 16


@dataclass(frozen=True)
class DetectorConfig:
    """`ignored` are the indices of classes that are never detected; `threshold_thousandths` is 0 to 1000."""

    classes: int
    windows: int
    threshold_thousandths: int
    refractory_ms: int
    ignored: frozenset[int] = frozenset()


class Detector:
    """Feed it the network's output of every inference, in order."""

    def __init__(self, config: DetectorConfig) -> None:
        self.config = config
        self._history = deque([np.zeros(config.classes, np.int64)] * config.windows, maxlen=config.windows)
        self._last_ms: int | None = None
        self._held: int | None = None

    def push(self, probabilities: np.ndarray, t_ms: int) -> int | None:
        """One inference: int8[classes] at `t_ms` (modulo 2**32). Returns the class that is detected now, or None."""
        config = self.config
        self._history.append(np.asarray(probabilities, np.int64) + 128)
        if self._last_ms is not None and (t_ms - self._last_ms) % 2**32 >= config.refractory_ms:
            self._last_ms = None
        sums = self._sums()
        top = int(sums.argmax())
        heard = top not in config.ignored and 1000 * sums[top] >= config.threshold_thousandths * self._one
        if not heard or self._held != top:
            self._held = None
        if not heard or self._held == top or self._last_ms is not None:
            return None
        self._held, self._last_ms = top, t_ms
        return top

    def score(self, class_index: int, scale: int = 1000) -> int:
        """Smoothed score of a class in units of 1/`scale`, rounded half up."""
        return int((self._sums()[class_index] * scale + self._one // 2) // self._one)

    @property
    def _one(self) -> int:
        return 256 * self.config.windows

    def _sums(self) -> np.ndarray:
        return sum(self._history)


def detect_line(label: str, score_hundredths: int, t_ms: int) -> str:
    """The console line of a detection, without its newline."""
    return f"detect label={label} score={_decimal(score_hundredths, 2)} t_ms={t_ms}"


def scores_line(labels: Sequence[str], thousandths: Sequence[int], t_ms: int) -> str:
    """The console line of one inference under `trace`, without its newline."""
    scores = " ".join(f"{label}={_decimal(score, 3)}" for label, score in zip(labels, thousandths, strict=True))
    return f"scores t_ms={t_ms} {scores}"


def _decimal(value: int, digits: int) -> str:
    return f"{value // 10**digits}.{value % 10**digits:0{digits}d}"
