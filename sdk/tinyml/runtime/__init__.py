"""What runs on the device around the network, in C, and the exact Python twin of the detector."""

from __future__ import annotations

from pathlib import Path

from tinyml.runtime.detector import Detector, DetectorConfig, detect_line, scores_line

RUNTIME_DIR = Path(__file__).resolve().parent
RUNTIME_SOURCES = tuple(RUNTIME_DIR / name for name in ("detector.c", "feature_ring.c", "text.c"))

__all__ = ["RUNTIME_DIR", "RUNTIME_SOURCES", "Detector", "DetectorConfig", "detect_line", "scores_line"]
