"""Where windows are cut from the features of a stream, and what each is then an example of.

The detector looks every few hops at the last `window_frames` frames and averages a few looks. So a word must be known
wherever it lies wholly in the window, a fragment of it must not, and what follows it is silence again.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Cutter:
    """Geometry of windows, in frames; `lead_in` frames of zeros stand before a stream, as after a reset."""

    window_frames: int
    hop_samples: int
    overhang: float = 0.12
    fragment: tuple[float, float] = (0.1, 0.35)
    centred_frames: int = 5

    @property
    def lead_in(self) -> int:
        return self.window_frames - 8

    def padded(self, features: np.ndarray) -> np.ndarray:
        """[H, bins] -> [lead_in + H, bins]."""
        return np.concatenate([np.zeros((self.lead_in, features.shape[1]), features.dtype), features])

    def _frames(self, start: int, end: int) -> tuple[int, int]:
        return start // self.hop_samples, max(start // self.hop_samples + 1, -(-end // self.hop_samples))

    def word(self, start: int, end: int, rng: np.random.Generator) -> int:
        """First frame of a window with (almost) all of the word; a word longer than the window is centred."""
        first, last = self._frames(start, end)
        slack = int(self.overhang * (last - first))
        low, high = last - self.window_frames - slack, first + slack
        if low > high:
            middle = (first + last - self.window_frames) // 2
            low, high = middle - self.centred_frames, middle + self.centred_frames
        return int(rng.integers(low, high + 1))

    def fragment_of(self, start: int, end: int, rng: np.random.Generator) -> int:
        """First frame of a window that shows only the beginning or only the end of the word."""
        first, last = self._frames(start, end)
        shown = max(1, round(rng.uniform(*self.fragment) * (last - first)))
        return first + shown - self.window_frames if rng.random() < 0.5 else last - shown

    def after(self, end: int, rng: np.random.Generator) -> int:
        """First frame of a window that begins when the word is over."""
        return -(-end // self.hop_samples) + 2 + int(rng.integers(0, 12))

    def cut(self, padded: np.ndarray, first: int) -> np.ndarray:
        """Copy of the window that begins at frame `first` of the stream, moved into what exists."""
        at = min(max(first + self.lead_in, 0), len(padded) - self.window_frames)
        return padded[at : at + self.window_frames].copy()
