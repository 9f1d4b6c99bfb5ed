"""Names for values that a pass adds to a graph."""

from __future__ import annotations

from collections.abc import Container


def unused_name(name: str, *taken: Container[str]) -> str:
    """`name`, or `name` with as many underscores behind it as none of `taken` holds."""
    while any(name in names for names in taken):
        name += "_"
    return name
