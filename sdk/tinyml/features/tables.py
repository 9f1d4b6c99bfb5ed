"""The front end's constant tables, and the C sources that a build needs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tinyml.features.spec import (
    FFT_POINTS,
    FIXED_REFERENCE_DBFS,
    RANGE_DB,
    RELEASE_DB_PER_S,
    SPECTRUM_BITS,
    STEP_DB,
    LogMelSpec,
)
from tinyml.ir.cwriter import CWriter
from tinyml.toolchain import CSources, write_sources

C_DIR = Path(__file__).parent
SOURCES = ("fft.c", "log_mel.c", "mel.c")
HEADERS = ("fft.h", "fixed_point.h", "fixed_point_dsp.h", "log_mel.h", "mel.h")
HOST_SOURCE = "log_mel_host.c"
PAIRS = FFT_POINTS // 2
WINDOW_BITS = SPECTRUM_BITS + 3 + 16  # the passes halve three times, a sample stands 16 bits up
ALPHA_BITS = 28
FINE_BITS = 12
STEP_BITS = 20


@dataclass(frozen=True)
class Tables:
    """Every constant of the front end as integers; the C and the numpy twin read the same ones."""

    window: np.ndarray  # int32[512], Q25
    reversed: np.ndarray  # uint16[64]: word offset of the first pass's output
    twiddles: np.ndarray  # int32[64, 6]: Q31 cos, sin of t, 2t, 3t for t = 2 pi i / 256
    split: np.ndarray  # int32[127, 2]: Q31 cos, sin of 2 pi k / 512 for k = 1..127
    first_bin: int  # FFT bin of the first mel weight
    counts: np.ndarray  # uint8[mel_bins + 1]: FFT bins between neighbouring edges
    weights: np.ndarray  # int32[sum(counts)]: Q31 share of the upper mel bin
    noise: np.ndarray  # int16[mel_bins]: log units of rounding noise, the least log energy that counts
    reference: np.ndarray  # int16[mel_bins]: log units of level 0
    log2: np.ndarray  # int16[33]: Q14 log2(1 + i / 32)
    step: int  # int8 steps per log unit, Q20
    alpha: int  # share of the newest frame in the mean, Q28
    range: int  # log units
    release: int  # 1/4096 log units a frame


def tables(spec: LogMelSpec) -> Tables:
    """Round the constants of `spec` to integers."""
    n = np.arange(64)
    digits = (n % 4) * 16 + (n // 4 % 4) * 4 + n // 16
    first_bin, counts, weights = _mel_tables(spec)
    units = 1 / spec.log_unit_db
    reference_dbfs = (
        spec.rounding_dbfs - spec.tilt_db if spec.mean_removal else np.full(spec.mel_bins, FIXED_REFERENCE_DBFS)
    )
    return Tables(
        window=np.rint(spec.window * 2.0**WINDOW_BITS).astype(np.int32),
        reversed=(8 * digits).astype(np.uint16),
        twiddles=np.stack([f(2 * np.pi * n * k / PAIRS) for k in (1, 2, 3) for f in (_cos, _sin)], axis=1),
        split=np.stack([f(2 * np.pi * np.arange(1, PAIRS // 2) / FFT_POINTS) for f in (_cos, _sin)], axis=1),
        first_bin=first_bin,
        counts=counts,
        weights=weights,
        noise=np.rint((spec.rounding_dbfs - spec.log_offset_db) * units).astype(np.int16),
        reference=np.rint((reference_dbfs - spec.log_offset_db) * units).astype(np.int16),
        log2=np.rint(np.log2(1 + np.arange(33) / 32) * 2**14).astype(np.int16),
        step=round(spec.log_unit_db / STEP_DB * 2**STEP_BITS),
        alpha=round(2**ALPHA_BITS / spec.mean_frames),
        range=round(RANGE_DB * units),
        release=round(RELEASE_DB_PER_S * spec.hop_ms / 1000 * units * 2**FINE_BITS),
    )


def _q31(x: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(x * 2.0**31), -(2**31), 2**31 - 1).astype(np.int64).astype(np.int32)


def _cos(x: np.ndarray) -> np.ndarray:
    return _q31(np.cos(x))


def _sin(x: np.ndarray) -> np.ndarray:
    return _q31(np.sin(x))


def _mel_tables(spec: LogMelSpec) -> tuple[int, np.ndarray, np.ndarray]:
    """First FFT bin inside the bank, FFT bins per interval between edges, and each one's position in its interval."""
    edges = spec.edges_hz
    hz = np.arange(PAIRS) * spec.sample_rate_hz / FFT_POINTS  # bin 256 has no weight: it is at the top edge at most
    bins = np.flatnonzero((hz >= edges[0]) & (hz < edges[-1]) & (hz > 0))
    interval = np.searchsorted(edges, hz[bins], side="right") - 1
    position = (hz[bins] - edges[interval]) / np.diff(edges)[interval]
    return int(bins[0]), np.bincount(interval, minlength=spec.mel_bins + 1).astype(np.uint8), _q31(position)


def _config_h(spec: LogMelSpec, t: Tables) -> str:
    out = CWriter()
    out.line("/* Generated from a LogMelSpec. */")
    out.line("#ifndef TM_LOG_MEL_CONFIG_H")
    out.line("#define TM_LOG_MEL_CONFIG_H")
    out.line()
    for name, value in (
        ("SAMPLE_RATE_HZ", spec.sample_rate_hz),
        ("FRAME_SAMPLES", spec.frame_samples),
        ("HOP_SAMPLES", spec.hop_samples),
        ("BINS", spec.mel_bins),
        ("MEAN_REMOVAL", int(spec.mean_removal)),
        ("MEAN_FRAMES", f"{spec.mean_frames}u"),
        ("MEAN_ALPHA", t.alpha),
        ("RANGE", t.range),
        ("RELEASE", t.release),
        ("STEP_Q20", t.step),
    ):
        out.line(f"#define TM_LOG_MEL_{name} {value}")
    out.line(f"#define TM_MEL_FIRST_BIN {t.first_bin}")
    out.line()
    out.line("#endif")
    return out.text()


def _tables_c(t: Tables) -> tuple[str, str]:
    """The tables' header and source."""
    arrays = {
        "tm_log_mel_window": t.window,
        "tm_fft_reversed": t.reversed,
        "tm_fft_twiddles": t.twiddles,
        "tm_fft_split": t.split,
        "tm_mel_counts": t.counts,
        "tm_mel_weights": t.weights,
        "tm_log_mel_noise": t.noise,
        "tm_log_mel_reference": t.reference,
        "tm_log2_table": t.log2,
    }
    header, source = CWriter(), CWriter()
    header.line("/* Generated: constants of the log-mel front end. */")
    header.line("#ifndef TM_LOG_MEL_TABLES_H")
    header.line("#define TM_LOG_MEL_TABLES_H")
    header.line()
    header.line("#include <stdint.h>")
    header.line()
    source.line('#include "log_mel_tables.h"')
    for symbol, data in arrays.items():
        header.line(f"extern const {data.dtype.name}_t {symbol}[{data.size}];")
        source.line()
        source.array(symbol, data, storage="const")
    header.line()
    header.line("#endif")
    return header.text(), source.text()


def c_files(spec: LogMelSpec) -> dict[str, str]:
    """File name -> text of everything that a firmware build of the front end needs."""
    t = tables(spec)
    files = {name: (C_DIR / name).read_text(encoding="utf-8") for name in (*SOURCES, *HEADERS)}
    files["log_mel_config.h"] = _config_h(spec, t)
    files["log_mel_tables.h"], files["log_mel_tables.c"] = _tables_c(t)
    return files


def write_c(spec: LogMelSpec, out_dir: Path) -> CSources:
    """Write the front end of `spec` into `out_dir` (created; unchanged files are left alone)."""
    return write_sources(c_files(spec), out_dir)
