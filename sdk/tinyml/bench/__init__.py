"""A network alone on the virtual board: exactness, cycles per layer, memory."""

from tinyml.bench.measure import BenchLayer, BenchResult, measure

__all__ = ["BenchLayer", "BenchResult", "measure"]
