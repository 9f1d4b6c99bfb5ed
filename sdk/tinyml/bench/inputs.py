"""Inputs to measure with: constants, uniform and gaussian bytes, from a seed."""

from __future__ import annotations

import numpy as np

from tinyml.ir.graph import Graph

Inputs = tuple[np.ndarray, ...]
"""One int8 array for each input of a graph, of its type's shape."""


def sample_inputs(graph: Graph, count: int, seed: int = 20) -> list[Inputs]:
    """`count` inputs: -128 everywhere, then uniform, then gaussian around a random mean, by turns."""
    random = np.random.default_rng(seed)
    return [tuple(_draw(random, graph.types[v].shape, k) for v in graph.inputs) for k in range(count)]


def _draw(random: np.random.Generator, shape: tuple[int, ...], k: int) -> np.ndarray:
    if k == 0:
        return np.full(shape, -128, np.int8)
    if k % 2:
        return random.integers(-128, 128, shape).astype(np.int8)
    return np.clip(random.normal(random.integers(-60, 60), 30, shape), -128, 127).astype(np.int8)
