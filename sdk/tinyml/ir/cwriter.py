"""A small writer of C source: indentation, blocks and constant arrays, with a deterministic result."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

C_TYPES = {
    "int8": "int8_t", "uint8": "uint8_t", "int16": "int16_t", "uint16": "uint16_t", "int32": "int32_t",
    "uint32": "uint32_t",
}  # fmt: skip


class CWriter:
    """Collects lines of C. `text()` is the file."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._depth = 0

    def line(self, text: str = "") -> None:
        self._lines.append("    " * self._depth + text if text else "")

    @contextmanager
    def block(self, head: str, tail: str = "}") -> Iterator[None]:
        """`head {` ... `tail`, indented."""
        self.line(head + " {")
        self._depth += 1
        yield
        self._depth -= 1
        self.line(tail)

    def array(self, symbol: str, data: np.ndarray, *, storage: str = "static const", align: int = 4) -> None:
        """A flat constant array with 16 values a line. Shape is not kept: C kernels get dimensions as ints."""
        flat = data.ravel()
        self.line(f"{storage} {C_TYPES[data.dtype.name]} {symbol}[{max(1, flat.size)}] "
                  f"__attribute__((aligned({align}))) = {{")  # fmt: skip
        values = [_literal(v) for v in flat.tolist()] or ["0"]
        for start in range(0, len(values), 16):
            self.line("    " + ", ".join(values[start : start + 16]) + ",")
        self.line("};")

    def text(self) -> str:
        return "\n".join(self._lines) + "\n"


def _literal(value: int) -> str:
    """INT32_MIN has no literal of its own type in C."""
    return "(-2147483647 - 1)" if value == -(2**31) else str(value)
