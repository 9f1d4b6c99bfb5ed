"""Names for values of a graph: valid C and graph identifiers, unique, and the same for the same model."""

from __future__ import annotations

import keyword
import re

_LONGEST = 56
_FOREIGN = re.compile(r"[^A-Za-z0-9]+")
_C_KEYWORDS = (
    "auto break case char const continue default do double else enum extern float for goto if inline int long "
    "register restrict return short signed sizeof static struct switch typedef union unsigned void volatile while "
    "bool true false main NULL"
)
_GRAPH_WORDS = "graph input const tir q"  # they mean something in the text form of a graph
_RESERVED = frozenset((*keyword.kwlist, *keyword.softkwlist, *_C_KEYWORDS.split(), *_GRAPH_WORDS.split()))


def identifier(name: str, default: str = "value") -> str:
    """`name` as an identifier: its first part (converters join the names of fused operators by `;`), foreign
    characters as `_`, at most 56 characters."""
    first = _FOREIGN.sub("_", name.split(";")[0].removesuffix(":0")).strip("_")
    first = first[-_LONGEST:].strip("_") or default
    if first[0].isdigit():
        first = f"{default}_{first}"
    return f"{first}_" if first in _RESERVED else first


class Names:
    """Hands out identifiers, each once: a name that is taken gets the first free number behind it."""

    def __init__(self) -> None:
        self._taken: dict[str, int] = {}

    def unique(self, name: str, default: str = "value") -> str:
        base = identifier(name, default)
        candidate, count = base, self._taken.get(base, 0)
        while candidate in self._taken:
            count += 1
            candidate = f"{base}_{count + 1}"
        self._taken[base] = count
        self._taken.setdefault(candidate, 0)
        return candidate
