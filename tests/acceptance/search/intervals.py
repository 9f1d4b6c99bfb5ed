"""How sure a figure is: intervals by bootstrap, means of few seeds with their standard error."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

RESAMPLES = 10_000


@dataclass(frozen=True)
class Interval:
    """Between which values 95 % lie."""

    low: float
    high: float

    @property
    def sign(self) -> int:
        """1 or -1 when all of it lies above or below zero, 0 when it does not, or is undefined."""
        return 1 if self.low > 0 else -1 if self.high < 0 else 0


def bootstrap(values: np.ndarray) -> Interval:
    """95 % of the means of `values`, float [n], drawn with replacement."""
    # Equal values need not be told apart: how often each is drawn is all that a mean depends on.
    distinct, counts = np.unique(values, return_counts=True)
    drawn = np.random.default_rng(0).multinomial(len(values), counts / len(values), size=RESAMPLES)
    low, high = np.percentile(drawn @ distinct / len(values), [2.5, 97.5])
    return Interval(float(low), float(high))


@dataclass(frozen=True)
class Gap:
    """The mean of paired differences over seeds, float [n], and its standard error; undefined for one seed."""

    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        return float(np.mean(self.values))

    @property
    def error(self) -> float:
        return float(np.std(self.values, ddof=1) / math.sqrt(len(self.values))) if len(self.values) > 1 else math.nan

    @property
    def interval(self) -> Interval:
        """95 %, by Student's t: few seeds make it wide."""
        if len(self.values) < 2:
            return Interval(math.nan, math.nan)
        reach = float(student.ppf(0.975, len(self.values) - 1)) * self.error
        return Interval(self.mean - reach, self.mean + reach)
