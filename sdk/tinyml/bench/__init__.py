"""A network alone on the virtual board: exactness, cycles per layer, memory."""

from tinyml.bench.canary import prove_canary
from tinyml.bench.inputs import sample_inputs
from tinyml.bench.measurement import BenchLayer, BenchResult, measure

__all__ = ["BenchLayer", "BenchResult", "measure", "prove_canary", "sample_inputs"]
