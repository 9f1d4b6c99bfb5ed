"""A network of a few lines for tests of what surrounds the network, in C and in Python."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from tinyml.features import LogMel, LogMelSpec, write_c
from tinyml.firmware import AppConfig
from tinyml.resources import apps_dir
from tinyml.runtime import Detector, detect_line, scores_line

LABELS = ("silence", "unknown", "low", "high")
FRAMES, BINS = 49, 40

HEADER = """#include <stdint.h>
#define M_ARENA_BYTES {arena_bytes}
#define M_ARENA_ALIGN 16
#define M_INPUT_BYTES 1960
#define M_INPUT_ZERO_POINT (0)
#define M_OUTPUT_BYTES 4
int8_t *m_input(void *arena);
const int8_t *m_output(const void *arena);
void m_invoke(void *arena);
"""

# Class c is what rises more than 6 dB above the mean in the c-th quarter of the mel bands, summed.
SOURCE = """#include "m.h"
const int8_t m_w_00_weights[{weight_bytes}] = {{2}};
int8_t *m_input(void *arena) {{ return (int8_t *)arena; }}
const int8_t *m_output(const void *arena) {{ return (const int8_t *)arena + 1968; }}
__attribute__((noinline)) static void m_layer_00_mean(const int8_t *x, int8_t *y) {{
    int32_t sums[4] = {{0, 0, 0, 0}};
    volatile uint32_t first = 0; /* or the compiler would drop the rest of the weights */
    for (int32_t i = 0; i < M_INPUT_BYTES; i++) {{
        sums[i % 40 / 10] += x[i] > 12 ? x[i] - 12 : 0;
    }}
    for (int32_t c = 0; c < 4; c++) {{
        int32_t scaled = sums[c] / m_w_00_weights[first] - 128;
        y[c] = (int8_t)(scaled > 127 ? 127 : scaled);
    }}
}}
void m_invoke(void *arena) {{ m_layer_00_mean((const int8_t *)arena, (int8_t *)arena + 1968); }}
"""


@dataclass(frozen=True)
class Sources:
    """As `features.write_c` and `compiler.write` return it."""

    sources: tuple[Path, ...]
    include_dir: Path


@dataclass(frozen=True)
class Parts:
    """What `firmware.build` takes beside board and compiler."""

    app_dir: Path
    features: Sources
    model: Sources
    config: AppConfig


def write_network(folder: Path, *, arena_bytes: int = 2048, weight_bytes: int = 16) -> Sources:
    """The stand-in network; larger figures make it too large for a board."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "m.h").write_text(HEADER.format(arena_bytes=arena_bytes))
    (folder / "m.c").write_text(SOURCE.format(weight_bytes=weight_bytes))
    return Sources((folder / "m.c",), folder)


def app_config(**changes: object) -> AppConfig:
    values = {"labels": LABELS, "threshold": 0.55, "smooth_windows": 3, "refractory_ms": 500, "hops_per_inference": 10,
              "window_frames": FRAMES, "trace": True, "model_sha256": "0123456789abcdef"}  # fmt: skip
    return AppConfig(**values | changes)


@pytest.fixture(scope="session")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Parts:
    """The keyword application with the real front end and the stand-in network."""
    folder = tmp_path_factory.mktemp("parts")
    features = write_c(LogMelSpec(), folder / "features")
    return Parts(apps_dir() / "kws" / "firmware", features, write_network(folder / "model"), app_config())


@pytest.fixture(scope="session")
def tones() -> np.ndarray:
    """int16 PCM, 4 s at 16 kHz: noise, with a low and a high tone in it; both are detected once."""
    rng = np.random.default_rng(1)
    t = np.arange(4 * 16000) / 16000
    sound = rng.standard_normal(t.size) * 30
    sound += 9000 * np.sin(2 * np.pi * 2700 * t) * ((t > 1.0) & (t < 1.5))
    sound += 9000 * np.sin(2 * np.pi * 5500 * t) * ((t > 2.6) & (t < 3.1))
    return np.round(sound).astype(np.int16)


def reference_console(config: AppConfig, pcm: np.ndarray) -> str:
    """What the firmware has to print for `pcm`, computed in Python around the front end's C."""
    frames = LogMel(LogMelSpec()).process(pcm)
    window, detector, lines = np.zeros((FRAMES, BINS), np.int64), Detector(config.detector), [config.boot_line]
    for hop, frame in enumerate(frames, start=1):
        window = np.concatenate([window[1:], frame[None].astype(np.int64)])
        if hop % config.hops_per_inference:
            continue
        sums = np.maximum(window - 12, 0).reshape(FRAMES, 4, 10).sum(axis=(0, 2))
        found = detector.push(np.minimum(sums // 2 - 128, 127), hop * 20)
        if config.trace:
            lines.append(scores_line(config.console_labels, [detector.score(c) for c in range(4)], hop * 20))
        if found is not None:
            lines.append(detect_line(config.console_labels[found], detector.score(found, 100), hop * 20))
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="session")
def expected_console(parts: Parts, tones: np.ndarray) -> str:
    """The console for `tones`; it holds detections of both tones."""
    return reference_console(parts.config, tones)


@pytest.fixture(scope="session")
def network() -> object:
    """`network(folder, arena_bytes=..., weight_bytes=...)` writes a stand-in network of another size."""
    return write_network


@pytest.fixture(scope="session")
def configured() -> object:
    """`configured(threshold=...)` is the test's `AppConfig` with some values changed."""
    return app_config
