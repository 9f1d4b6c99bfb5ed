"""Cycles of the parts of kernels from measured layers: least squares of the relative error, no part below zero."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
from scipy.optimize import nnls

from tinyml.ops.timing import Work


@dataclass(frozen=True)
class Fit:
    """Of one family: cycles by part, and the relative errors of the layers that it was fitted to, signed."""

    cycles: Mapping[str, float]
    errors: tuple[float, ...]

    @property
    def median_percent(self) -> float:
        return 100 * median(abs(e) for e in self.errors)

    @property
    def worst_percent(self) -> float:
        return 100 * max(abs(e) for e in self.errors)


def fit(layers: Sequence[tuple[Work, int]]) -> Fit:
    """Fit (work, measured cycles) of layers of one family."""
    parts = sorted({part for work, _ in layers for part, count in work.parts.items() if count})
    measured = np.array([cycles for _, cycles in layers], float)
    counts = np.array([[work.parts.get(part, 0) for part in parts] for work, _ in layers], float)
    relative = counts / measured[:, None]
    scale = np.maximum(relative.max(axis=0), 1e-12)  # columns of like size: the solver's tolerance is absolute
    found, _ = nnls(relative / scale, np.ones(len(layers)), maxiter=50 * len(parts))
    cycles = {part: _rounded(value) for part, value in zip(parts, found / scale, strict=True) if value > 0}
    estimates = counts @ np.array([cycles.get(part, 0.0) for part in parts])
    return Fit(cycles, tuple(float(e) for e in estimates / measured - 1))


def fit_families(layers: Iterable[tuple[Work, int]]) -> dict[str, Fit]:
    """A fit for every family that is among the layers."""
    families: dict[str, list[tuple[Work, int]]] = {}
    for work, cycles in layers:
        families.setdefault(work.family, []).append((work, cycles))
    return {name: fit(found) for name, found in sorted(families.items())}


def errors(fits: Mapping[str, Fit], layers: Iterable[tuple[Work, int]]) -> dict[str, list[float]]:
    """The signed relative errors of fits on other layers, by family."""
    found: dict[str, list[float]] = {}
    for work, cycles in layers:
        known = fits[work.family].cycles
        estimate = sum(known.get(part, 0.0) * count for part, count in work.parts.items())
        found.setdefault(work.family, []).append(estimate / cycles - 1)
    return found


def _rounded(value: float) -> float:
    """Four significant digits: more would not be reproducible, nor mean anything."""
    return float(f"{value:.4g}")
