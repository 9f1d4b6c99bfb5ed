"""The quantised network: the fused layers of a float network, executed in the engine's arithmetic."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from tinyml.ir.tensor import QuantParams
from tinyml.models.trace import Layer, trace_layers
from tinyml.quant.layers import KINDS, Quantized, Ranged, straight_through


class QatNetwork(nn.Module):
    """Called like the float network: float [B, 1, frames, mel_bins] in dB to float logits [B, classes].

    Inputs are rounded to `input_quant`; the logits are the engine's int8 logits times their scale.
    """

    def __init__(self, layers: tuple[Layer, ...], input_quant: QuantParams, input_shape: tuple[int, ...]) -> None:
        super().__init__()
        self.layers, self.input_quant, self.input_shape = layers, input_quant, input_shape
        self.body = nn.ModuleDict({layer.name: KINDS[layer.kind](layer) for layer in layers})

    @classmethod
    def of(cls, model: nn.Module, input_quant: QuantParams, input_shape: tuple[int, ...]) -> QatNetwork:
        """Trace `model` and fold its batch norms. Raises: ProjectError for layers that cannot be lowered."""
        return cls(trace_layers(model, input_shape), input_quant, input_shape)

    def quantized_input(self, x: torch.Tensor) -> Quantized:
        """dB values on the input's integer grid."""
        scale, zero = self.input_quant.scale, self.input_quant.zero_point
        smooth = (x / scale).clamp(-128 - zero, 127 - zero)
        return Quantized(straight_through(smooth.detach().round(), smooth), scale, zero)

    def values(self, x: torch.Tensor) -> dict[str, Quantized]:
        """Every layer's output by name, for inputs in dB."""
        values = {"input": self.quantized_input(x)}
        for layer in self.layers:
            values[layer.name] = self.body[layer.name](*(values[name] for name in layer.inputs))
        return values

    def real(self, x: torch.Tensor) -> torch.Tensor:
        """The float network with batch norms folded; records values while the layers observe."""
        values = {"input": x}
        for layer in self.layers:
            values[layer.name] = self.body[layer.name].real(*(values[name] for name in layer.inputs))
        return values[self.layers[-1].name]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.values(x)[self.layers[-1].name].real

    @torch.no_grad()
    def calibrate(self, batches: Iterable[torch.Tensor]) -> None:
        """Set every layer's output range from float inference on batches of inputs in dB."""
        ranged = [m for m in self.body.values() if isinstance(m, Ranged)]
        for module in ranged:
            module.observing = []
        for x in batches:
            self.real(x)
        for module in ranged:
            module.settle()
