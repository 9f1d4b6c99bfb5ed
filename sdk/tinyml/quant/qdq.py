"""The int8 graph as ONNX in QDQ form: the same int8 weights, int32 biases and scales for other runtimes.

Every operator stands between DequantizeLinear and QuantizeLinear, so that any runtime can execute it in float and
onnxruntime can fuse it to its integer kernels. Rounding is the runtime's own: classes agree, single steps may not.
Tensors are NCHW; the input is float [1, channels, frames, mel_bins] in dB.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from tinyml.errors import ProjectError, missing_extra
from tinyml.ir.graph import Graph, Node
from tinyml.ir.tensor import QuantParams, TensorType
from tinyml.ops import Add, AveragePool2d, Conv2d, DepthwiseConv2d, FullyConnected, Mean, Reshape, Softmax
from tinyml.storage import writing

_OPSET, _IR_VERSION = 13, 8


def write_qdq_onnx(graph: Graph, path: Path) -> None:
    """Write `graph` to `path`.

    Raises: ProjectError for operators without an ONNX form, MissingToolError when onnx is not installed.
    """
    try:
        import onnx
    except ImportError as error:
        raise missing_extra("train", "onnx") from error
    model = _Export(graph, onnx).run()
    onnx.checker.check_model(model, full_check=True)
    with writing(path) as temporary:
        temporary.write_bytes(model.SerializeToString())


class _Export:
    """Collects ONNX nodes and initializers; `self.real[value]` is the dequantised float tensor of a graph value."""

    def __init__(self, graph: Graph, onnx) -> None:  # noqa: ANN001 - the module
        self.graph, self.onnx = graph, onnx
        self.nodes: list = []
        self.initializers: list = []
        self.real: dict[str, str] = {}
        self.exporters: Mapping[type, Callable[[Node], str]] = {
            Conv2d: self._conv, DepthwiseConv2d: self._conv, FullyConnected: self._gemm, AveragePool2d: self._pool,
            Mean: self._mean, Reshape: self._reshape, Softmax: self._softmax, Add: self._add,
        }  # fmt: skip

    def run(self):  # noqa: ANN201 - onnx.ModelProto
        helper, tensor = self.onnx.helper, self.onnx.TensorProto
        (source,), (target,) = self.graph.inputs, self.graph.outputs
        kind, out = self.graph.type(source), self.graph.type(target)
        self.real[source] = self._quantized(f"{source}_db", source, kind.quant)
        for node in self.graph.nodes:
            if type(node.op) not in self.exporters:
                raise ProjectError(f"`{type(node.op).__name__}` (layer `{node.name}`) has no ONNX form here")
            result = self.exporters[type(node.op)](node)
            (value,) = node.outputs
            self.real[value] = self._quantized(result, value, self.graph.type(value).quant)
        self._node("Identity", [self.real[target]], f"{target}_probabilities")
        body = helper.make_graph(
            self.nodes, self.graph.name,
            [helper.make_tensor_value_info(f"{source}_db", tensor.FLOAT, _nchw(kind))],
            [helper.make_tensor_value_info(f"{target}_probabilities", tensor.FLOAT, list(out.shape))],
            self.initializers,
        )  # fmt: skip
        return helper.make_model(body, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION,
                                 producer_name="tinyml")  # fmt: skip

    def _node(self, kind: str, inputs: list[str], output: str, **attributes: object) -> str:
        self.nodes.append(self.onnx.helper.make_node(kind, inputs, [output], name=f"{output}_{kind}", **attributes))
        return output

    def _constant(self, name: str, data: np.ndarray) -> str:
        self.initializers.append(self.onnx.numpy_helper.from_array(np.asarray(data, order="C"), name))
        return name

    def _quantized(self, real: str, value: str, quant: QuantParams) -> str:
        """QuantizeLinear and DequantizeLinear behind the float tensor `real`; returns the float on the grid."""
        scale = self._constant(f"{value}_scale", np.float32(quant.scale))
        zero = self._constant(f"{value}_zero_point", np.int8(quant.zero_point))
        steps = self._node("QuantizeLinear", [real, scale, zero], f"{value}_steps")
        return self._node("DequantizeLinear", [steps, scale, zero], f"{value}_real")

    def _weights(self, node: Node, transpose: tuple[int, ...]) -> tuple[str, str]:
        """Dequantised weights (output channels first) and bias of a multiply-accumulate node."""
        weights, bias = node.inputs[1:]
        const = self.graph.consts[weights]
        scales = np.array(const.type.quant.scales, np.float32)
        scales = np.broadcast_to(scales, self.graph.consts[bias].data.shape)
        data = self._constant(weights, const.data.transpose(transpose))
        zeros = self._constant(f"{weights}_zero_point", np.zeros(len(scales), np.int8))
        real = self._node("DequantizeLinear", [data, self._constant(f"{weights}_scale", scales), zeros],
                          f"{weights}_real", axis=0)  # fmt: skip
        step = np.float32(self.graph.type(node.inputs[0]).quant.scale) * scales
        zeros = self._constant(f"{bias}_zero_point", np.zeros(len(scales), np.int32))
        offsets = self._constant(bias, self.graph.consts[bias].data)
        return real, self._node("DequantizeLinear", [offsets, self._constant(f"{bias}_scale", step), zeros],
                                f"{bias}_real", axis=0)  # fmt: skip

    def _clamped(self, node: Node, result: str) -> str:
        """Relu or Clip where the activation range is narrower than what int8 saturation enforces by itself."""
        op, quant = node.op, self.graph.type(node.outputs[0]).quant
        if (op.act_min, op.act_max) == (-128, 127):
            return result
        low, high = ((bound - quant.zero_point) * quant.scale for bound in (op.act_min, op.act_max))
        bounds = [self._constant(f"{node.name}_{side}", np.float32(v)) for side, v in (("low", low), ("high", high))]
        return self._node("Clip", [result, *bounds], f"{node.name}_clamped")

    def _conv(self, node: Node) -> str:
        op, depthwise = node.op, isinstance(node.op, DepthwiseConv2d)
        shape = self.graph.type(node.inputs[1]).shape
        weights, bias = self._weights(node, (3, 0, 1, 2) if depthwise else (0, 3, 1, 2))
        top, bottom, left, right = op.padding
        result = self._node(
            "Conv", [self.real[node.inputs[0]], weights, bias], f"{node.name}_sum", strides=list(op.stride),
            pads=[top, left, bottom, right], dilations=list(op.dilation), group=shape[3] if depthwise else 1,
            kernel_shape=list(shape[1:3]),
        )  # fmt: skip
        return self._clamped(node, result)

    def _gemm(self, node: Node) -> str:
        weights, bias = self._weights(node, (0, 1))
        inputs = [self.real[node.inputs[0]], weights, bias]
        return self._clamped(node, self._node("Gemm", inputs, f"{node.name}_sum", transB=1))

    def _pool(self, node: Node) -> str:
        op = node.op
        top, bottom, left, right = op.padding
        result = self._node(
            "AveragePool", [self.real[node.inputs[0]]], f"{node.name}_mean", kernel_shape=list(op.kernel),
            strides=list(op.stride), pads=[top, left, bottom, right], count_include_pad=0,
        )  # fmt: skip
        return self._clamped(node, result)

    def _mean(self, node: Node) -> str:
        return self._node("ReduceMean", [self.real[node.inputs[0]]], f"{node.name}_mean", axes=[2, 3], keepdims=0)

    def _add(self, node: Node) -> str:
        left, right = (self.real[name] for name in node.inputs)
        return self._clamped(node, self._node("Add", [left, right], f"{node.name}_sum"))

    def _softmax(self, node: Node) -> str:
        return self._node("Softmax", [self.real[node.inputs[0]]], f"{node.name}_shares", axis=1)

    def _reshape(self, node: Node) -> str:
        """The graph's order of elements is NHWC: go there and back around the reshape."""
        source, target = self.graph.type(node.inputs[0]), self.graph.type(node.outputs[0])
        real = self.real[node.inputs[0]]
        if len(source.shape) == 4:
            real = self._node("Transpose", [real], f"{node.name}_nhwc", perm=[0, 2, 3, 1])
        shape = self._constant(f"{node.name}_shape", np.array(target.shape, np.int64))
        real = self._node("Reshape", [real, shape], f"{node.name}_reshaped")
        if len(target.shape) == 4:
            real = self._node("Transpose", [real], f"{node.name}_nchw", perm=[0, 3, 1, 2])
        return real


def _nchw(kind: TensorType) -> list[int]:
    return [kind.shape[i] for i in ((0, 3, 1, 2) if len(kind.shape) == 4 else range(len(kind.shape)))]
