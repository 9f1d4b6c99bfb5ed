"""One HTML file per run, pictures first."""

from __future__ import annotations

from tinyml.report.collect import Curve, Layer, LedgerRow, MemoryUse, Mistake, RunRecord, Simulation, Tensor
from tinyml.report.html import render, write_report

__all__ = [
    "Curve",
    "Layer",
    "LedgerRow",
    "MemoryUse",
    "Mistake",
    "RunRecord",
    "Simulation",
    "Tensor",
    "render",
    "write_report",
]
