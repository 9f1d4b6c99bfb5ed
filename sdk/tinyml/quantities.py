"""Sizes and times as users write them: `64k`, `40ms`, `20m`."""

from __future__ import annotations

import re
from collections.abc import Mapping

_BYTES = {"": 1, "k": 1024, "kb": 1024, "kib": 1024, "m": 1024**2, "mb": 1024**2, "mib": 1024**2}
_MILLISECONDS = {"ms": 1.0, "s": 1e3}
_SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3600}


def parse_bytes(text: str) -> int:
    """`"64k"` -> 65536: k (K, kB, KiB) is 1024, M (MB, MiB) 1024 * 1024, whatever case. Raises: ValueError."""
    return round(_parsed(text, _BYTES, "a size in bytes such as 65536, 64k or 1M (k = 1024)"))


def parse_milliseconds(text: str) -> float:
    """`"40ms"`, `"0.5s"` -> milliseconds. Raises: ValueError."""
    return _parsed(text, _MILLISECONDS, "a time such as 40ms or 0.5s")


def parse_seconds(text: str) -> float:
    """`"90s"`, `"20m"`, `"1.5h"` -> seconds. Raises: ValueError."""
    return _parsed(text, _SECONDS, "a time such as 90s, 20m or 1.5h")


def _parsed(text: str, units: Mapping[str, float], wanted: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]*)", text.strip().lower())
    if match is None or match[2] not in units or not float(match[1]):
        raise ValueError(f"`{text}` is not {wanted}")
    return float(match[1]) * units[match[2]]
