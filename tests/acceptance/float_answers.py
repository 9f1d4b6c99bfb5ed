"""The float network's decision on a stream, by the firmware's own rules, written a second time in numpy and torch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from tinyml.errors import Progress
from tinyml.features import LogMel
from tinyml.pipeline import Project


class FloatJudge:
    """Decides with the network that the quantised one was lowered from (`quantize` starts from its weights)."""

    def __init__(self, project: Project) -> None:
        self._config, self._labels = project.config, project.config.labels
        self._front_end = LogMel(project.features)
        self._scale_db = project.features.quant.scale
        self._model = project.trained.restore(project.build_model()).eval()

    def labels(self, streams: Sequence[np.ndarray], words: Sequence[str], progress: Progress) -> list[str]:
        decided = []
        for pcm in streams:
            decided.append(self._label(pcm, words))
            progress("float decisions", len(decided), len(streams))
        return decided

    def _label(self, pcm: np.ndarray, words: Sequence[str]) -> str:
        self._front_end.reset()
        frames = self._front_end.process(pcm)
        c = self._config
        window, hops = c.features.window_frames, c.hops_per_inference
        padded = np.concatenate([np.zeros((window, frames.shape[1]), np.int8), frames])
        ends = range(hops, len(frames) + 1, hops)
        windows = np.stack([padded[end : end + window] for end in ends]).astype(np.float32) * self._scale_db
        with torch.inference_mode():
            p = torch.softmax(self._model(torch.from_numpy(windows)[:, None]), dim=1).numpy()
        smooth = c.detect.smooth_windows
        p = np.concatenate([np.zeros((smooth - 1, p.shape[1]), p.dtype), p])
        smoothed = np.stack([p[i : i + smooth].mean(axis=0) for i in range(len(p) - smooth + 1)])
        best = smoothed.max(axis=0)
        return max(words, key=lambda word: best[self._labels.index(word)])
