"""Quantisation: folding, ranges, training in the engine's arithmetic, lowering, and the ONNX twin."""

from tinyml.quant.lower import lower
from tinyml.quant.network import QatNetwork
from tinyml.quant.qdq import write_qdq_onnx
from tinyml.quant.quantize import QuantConfig, QuantResult, quantize, save_float_answers

__all__ = ["QatNetwork", "QuantConfig", "QuantResult", "lower", "quantize", "save_float_answers", "write_qdq_onnx"]
