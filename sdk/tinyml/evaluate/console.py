"""The console lines of a detecting firmware, parsed.

```
detect label=yes score=0.930 t_ms=1240
scores t_ms=1240 silence=0.012 unknown=0.058 yes=0.930
```
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_DETECT = re.compile(r"^detect label=(?P<label>\S+) score=(?P<score>[\d.]+) t_ms=(?P<t_ms>\d+)$")
_SCORES = re.compile(r"^scores t_ms=(?P<t_ms>\d+) (?P<scores>.+)$")


@dataclass(frozen=True)
class Detection:
    """A `detect` line: `t_ms` is the audio time at the end of the judged window."""

    label: str
    score: float
    t_ms: int


@dataclass(frozen=True)
class Scores:
    """A `scores` line: smoothed score per label, in thousandths."""

    t_ms: int
    thousandths: dict[str, int]


def console_label(label: str) -> str:
    """A label as the console prints it: blanks become underscores."""
    return "_".join(label.split())


def detections(console: str) -> tuple[Detection, ...]:
    """All detections of a console text, in order."""
    found = (_DETECT.match(line) for line in _lines(console))
    return tuple(Detection(m["label"], float(m["score"]), int(m["t_ms"])) for m in found if m)


def scores(console: str) -> tuple[Scores, ...]:
    """All traced score lines of a console text, in order."""
    found = (_SCORES.match(line) for line in _lines(console))
    return tuple(Scores(int(m["t_ms"]), _thousandths(m["scores"])) for m in found if m)


def _lines(console: str) -> list[str]:
    """The complete lines: a run may end while the last one is being sent."""
    return [line.strip() for line in console.split("\n")[:-1]]


def _thousandths(text: str) -> dict[str, int]:
    pairs = (item.rsplit("=", 1) for item in text.split())
    return {label: round(float(value) * 1000) for label, value in pairs}
