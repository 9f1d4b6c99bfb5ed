"""Damaged copies of a file, each from a seed: cut off, bits flipped, bytes overwritten, offsets forged, other data."""

from __future__ import annotations

import numpy as np

KINDS = ("truncated", "bit", "bits", "bytes", "offset", "several", "data")
_FORGED = (0, 1, 2, 3, 4, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFC, 0xFFFFFFFF)


def mutant(original: bytes, seed: int, data_spans: tuple[tuple[int, int], ...] = ()) -> tuple[str, bytes]:
    """(kind, damaged file). `data` changes only bytes in `data_spans`, the others mostly bytes outside them."""
    random = np.random.default_rng(seed)
    kind = KINDS[seed % len(KINDS)]
    data = bytearray(original)
    if kind == "truncated":
        return kind, bytes(data[: int(random.integers(0, len(data)))])
    inside = _inside(len(data), data_spans)
    structure, constants = np.flatnonzero(~inside), np.flatnonzero(inside)
    for _ in range(int(random.integers(2, 7)) if kind in ("bits", "several", "data") else 1):
        if kind == "data":
            data[int(random.choice(constants))] = int(random.integers(256))
            continue
        step = kind if kind != "several" else ("bits", "bytes", "offset")[int(random.integers(3))]
        _damage(data, int(random.choice(structure if random.random() < 0.8 else constants)), step, random)
    return kind, bytes(data)


def _damage(data: bytearray, at: int, step: str, random: np.random.Generator) -> None:
    if step in ("bit", "bits"):
        data[at] ^= 1 << int(random.integers(8))
    elif step == "bytes":
        count = min(int(random.integers(1, 9)), len(data) - at)
        data[at : at + count] = random.integers(0, 256, count).astype(np.uint8).tobytes()
    else:
        at -= at % 4
        data[at : at + 4] = _forged(random, len(data)).to_bytes(4, "little")[: len(data) - at]


def _inside(length: int, spans: tuple[tuple[int, int], ...]) -> np.ndarray:
    inside = np.zeros(length, bool)
    for start, stop in spans:
        inside[start:stop] = True
    return inside


def _forged(random: np.random.Generator, length: int) -> int:
    """A number that an offset, a length, a size or an index should not be."""
    choice = int(random.integers(4))
    if choice == 0:
        return int(random.choice(_FORGED))
    if choice == 1:
        return length + int(random.integers(-8, 9)) & 0xFFFFFFFF
    if choice == 2:
        return int(random.integers(0, 64))
    return int(random.integers(0, length))
