"""What the engine can run: a module traced by torch.fx into a list of fused layers, or an error that says why not.

Every network, ours or a project's own, passes through here before a step of training is spent on it. The fused
layers are what batch-norm folding, quantisation-aware training and lowering read.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional

from tinyml.errors import ProjectError

SUPPORTED: Mapping[str, str] = {
    "Conv2d": "groups 1 or depthwise (groups = in = out channels); zero padding; any kernel, stride, dilation",
    "BatchNorm2d": "directly behind a Conv2d (folded into it)",
    "Linear": "on [B, features]",
    "ReLU, ReLU6": "directly behind a Conv2d, BatchNorm2d, Linear or addition (folded into it)",
    "AvgPool2d": "without padding, ceil_mode or divisor_override",
    "AdaptiveAvgPool2d": "output size 1 (global average)",
    "Flatten": "from axis 1",
    "addition": "x + y, torch.add: two tensors of one shape",
    "Dropout, Dropout2d, Identity": "no code is made for them",
    "Sequential, own modules": "of the above, without control flow that depends on the data",
}
"""The table of lowerable layers: layer -> its conditions. F.relu, F.relu6, torch.flatten, x.flatten and
x.mean((2, 3)) count as their modules do."""


@dataclass(frozen=True)
class Layer:
    """A fused layer. `inputs` are names of earlier layers or "input"; `shape` is its output without the batch axis.

    `kind` is "conv", "linear", "average_pool", "mean", "flatten" or "add"; `module` the Conv2d, Linear or AvgPool2d;
    `norm` the batch norm behind a convolution; `clamp` the activation's bounds in real units.
    """

    name: str
    kind: str
    inputs: tuple[str, ...]
    shape: tuple[int, ...]
    module: nn.Module | None = None
    norm: nn.BatchNorm2d | None = None
    clamp: tuple[float, float] | None = None


_SKIP = (nn.Dropout, nn.Dropout2d, nn.Identity)
_KNOWN = (*_SKIP, nn.Conv2d, nn.Linear, nn.BatchNorm2d, nn.Flatten, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.ReLU,
          nn.ReLU6)  # fmt: skip
_CLAMPS: Mapping[Any, tuple[float, float]] = {
    nn.ReLU: (0.0, float("inf")), nn.ReLU6: (0.0, 6.0), functional.relu: (0.0, float("inf")),
    functional.relu6: (0.0, 6.0), torch.relu: (0.0, float("inf")), "relu": (0.0, float("inf")),
}  # fmt: skip
_ADDITIONS = {operator.add, operator.iadd, torch.add, "add"}
_FLATTENS = {torch.flatten, "flatten"}
_MEANS = {torch.mean, "mean"}


def trace_layers(module: nn.Module, input_shape: tuple[int, ...]) -> tuple[Layer, ...]:
    """The fused layers of `module` in execution order, for inputs [B, *input_shape].

    Raises: ProjectError naming the first layer that cannot be lowered and listing what can.
    """
    try:
        traced = fx.symbolic_trace(module)
    except Exception as error:  # whatever the project's forward() did with a proxy
        raise ProjectError(
            f"the network cannot be traced: {error}", details=_table(),
            hint="remove control flow that depends on tensor values from forward()",
        ) from error  # fmt: skip
    for node in traced.graph.nodes:
        if node.op == "call_module" and not isinstance(traced.get_submodule(node.target), _KNOWN):
            raise _unsupported(str(node.target), f"`{type(traced.get_submodule(node.target)).__name__}`")
    return _Fuser(traced, _shapes(traced, input_shape)).run()


def _shapes(traced: fx.GraphModule, input_shape: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    """Output shape (batch axis dropped) of every traced node; one evaluation on zeros."""
    shapes: dict[str, tuple[int, ...]] = {}

    class Recorder(fx.Interpreter):
        def run_node(self, n: fx.Node) -> Any:
            result = super().run_node(n)
            if isinstance(result, torch.Tensor):
                shapes[n.name] = tuple(result.shape[1:])
            return result

    training = traced.training
    traced.eval()
    try:
        with torch.no_grad():
            Recorder(traced).run(torch.zeros(2, *input_shape))
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        raise ProjectError(
            f"the network does not accept its input of shape {['B', *input_shape]}: {str(error).splitlines()[0]}",
            hint="build() must return a module for [batch, 1, frames, mel_bins]",
        ) from error
    finally:
        traced.train(training)
    return shapes


class _Fuser:
    """Walks the traced graph once, keeping for every node the name of the layer that makes its value."""

    def __init__(self, traced: fx.GraphModule, shapes: dict[str, tuple[int, ...]]) -> None:
        self.traced = traced
        self.shapes = shapes
        self.modules = dict(traced.named_modules())
        self.layers: dict[str, Layer] = {}
        self.made_by: dict[str, str] = {}  # fx node -> layer
        self.called: set[str] = set()

    def run(self) -> tuple[Layer, ...]:
        for node in self.traced.graph.nodes:
            if node.op == "placeholder":
                if self.made_by:
                    raise _unsupported(node.name, "a second input")
                self.made_by[node.name] = "input"
            elif node.op == "output":
                self._output(node)
            else:
                self._visit(node)
        return tuple(self.layers.values())

    def _output(self, node: fx.Node) -> None:
        if not isinstance(node.args[0], fx.Node):
            raise _unsupported("output", "more than one output")
        last = self.made_by[node.args[0].name]
        if last == "input":
            raise _unsupported("output", "a network without layers")
        if len(self.layers[last].shape) != 1:
            raise _unsupported(last, f"an output of shape {self.layers[last].shape}: scores [B, classes] are needed")
        read = {value for layer in self.layers.values() for value in layer.inputs}
        for unread in self.layers.keys() - read - {last}:
            raise _unsupported(unread, "a layer that does not contribute to the output")

    def _visit(self, node: fx.Node) -> None:
        if node.op == "call_module":
            module = self.modules[str(node.target)]
            handler = self._module_handler(node, module)
        elif node.op in ("call_function", "call_method"):
            module, handler = None, self._function_handler(node)
        else:
            raise _unsupported(node.name, f"a free parameter or buffer (`{node.target}`)")
        handler(node, module)

    def _module_handler(self, node: fx.Node, module: nn.Module) -> Callable[[fx.Node, Any], None]:
        if isinstance(module, nn.Conv2d | nn.Linear | nn.BatchNorm2d):
            if str(node.target) in self.called:
                raise _unsupported(str(node.target), "the same weights used twice")
            self.called.add(str(node.target))
        table: dict[type, Callable[[fx.Node, Any], None]] = {
            nn.Conv2d: self._conv, nn.Linear: self._linear, nn.BatchNorm2d: self._norm, nn.Flatten: self._flatten,
            nn.AvgPool2d: self._average_pool, nn.AdaptiveAvgPool2d: self._adaptive, nn.ReLU: self._clamp,
            nn.ReLU6: self._clamp,
        }  # fmt: skip
        return next((handler for kind, handler in table.items() if isinstance(module, kind)), self._skip)

    def _function_handler(self, node: fx.Node) -> Callable[[fx.Node, Any], None]:
        target = node.target
        if target in _ADDITIONS:
            return self._add
        if target in _FLATTENS:
            return self._flatten
        if target in _MEANS:
            return self._mean
        if target in _CLAMPS:
            return self._clamp
        if target in (functional.dropout, functional.dropout2d):
            return self._skip
        raise _unsupported(node.name, f"`{getattr(target, '__name__', target)}`")

    def _source(self, node: fx.Node) -> str:
        source = node.args[0] if node.args else node.kwargs.get("input")
        if not isinstance(source, fx.Node):
            raise _unsupported(node.name, "an operand that is not a tensor")
        return self.made_by[source.name]

    def _emit(self, node: fx.Node, kind: str, module: nn.Module | None = None, inputs: tuple[str, ...] = ()) -> None:
        name = str(node.target).replace(".", "_") if node.op == "call_module" else _name_of_call(node)
        if not name[0].isalpha():
            name = f"layer_{name}"
        if name in ("input", "softmax") or name in self.layers:
            name = f"{name}_{len(self.layers)}"
        self.layers[name] = Layer(name, kind, inputs or (self._source(node),), self.shapes[node.name], module)
        self.made_by[node.name] = name

    def _fuse(self, node: fx.Node, kinds: tuple[str, ...], what: str, **changes: Any) -> None:
        """Merge `node` into the layer before it, which nothing else may read."""
        source = self._source(node)
        layer = self.layers.get(source)
        shared = isinstance(node.args[0], fx.Node) and len(node.args[0].users) > 1
        if layer is None or layer.kind not in kinds or layer.clamp is not None or shared:
            behind = "the input" if layer is None else f"`{source}`"
            raise _unsupported(str(node.target), f"{what} behind {behind}")
        self.layers[source] = replace(layer, **changes)
        self.made_by[node.name] = source

    def _conv(self, node: fx.Node, conv: nn.Conv2d) -> None:
        depthwise = conv.groups == conv.in_channels == conv.out_channels
        if conv.groups != 1 and not depthwise:
            raise _unsupported(str(node.target), f"Conv2d with groups={conv.groups}")
        if conv.padding_mode != "zeros":
            raise _unsupported(str(node.target), f"Conv2d with padding_mode={conv.padding_mode!r}")
        self._emit(node, "conv", conv)

    def _linear(self, node: fx.Node, linear: nn.Linear) -> None:
        if len(self.shapes[node.name]) != 1:
            raise _unsupported(str(node.target), "Linear on more than [B, features]: put a Flatten before it")
        self._emit(node, "linear", linear)

    def _norm(self, node: fx.Node, norm: nn.BatchNorm2d) -> None:
        source = self.layers.get(self._source(node))
        if source is not None and source.norm is not None:
            raise _unsupported(str(node.target), f"BatchNorm2d behind the batch norm of `{source.name}`")
        if norm.running_mean is None:
            raise _unsupported(str(node.target), "BatchNorm2d without running statistics")
        self._fuse(node, ("conv",), "BatchNorm2d", norm=norm)

    def _clamp(self, node: fx.Node, module: nn.Module | None) -> None:
        bounds = _CLAMPS[type(module) if module is not None else node.target]
        self._fuse(node, ("conv", "linear", "add"), "an activation", clamp=bounds)

    def _average_pool(self, node: fx.Node, pool: nn.AvgPool2d) -> None:
        padded = pool.padding not in (0, (0, 0))
        if padded or pool.ceil_mode or pool.divisor_override is not None:
            raise _unsupported(str(node.target), "AvgPool2d with padding, ceil_mode or divisor_override")
        self._emit(node, "average_pool", pool)

    def _adaptive(self, node: fx.Node, pool: nn.AdaptiveAvgPool2d) -> None:
        if pool.output_size not in (1, (1, 1)):
            raise _unsupported(str(node.target), f"AdaptiveAvgPool2d({pool.output_size})")
        self._emit(node, "mean")

    def _mean(self, node: fx.Node, _: None) -> None:
        axes = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim")
        if not isinstance(axes, list | tuple) or {a % 4 for a in axes} != {2, 3}:
            raise _unsupported(node.name, f"mean over {axes}: only (2, 3), the global average,")
        self._emit(node, "mean")

    def _flatten(self, node: fx.Node, module: nn.Flatten | None) -> None:
        bounds = (*node.args[1:], *node.kwargs.values()) if module is None else (module.start_dim, module.end_dim)
        if bounds not in ((1,), (1, -1)):
            raise _unsupported(node.name, f"flatten{bounds}: only from axis 1")
        self._emit(node, "flatten")

    def _add(self, node: fx.Node, _: None) -> None:
        if len(node.args) != 2 or node.kwargs or not all(isinstance(a, fx.Node) for a in node.args):
            raise _unsupported(node.name, "addition of something that is not a tensor")
        left, right = (a for a in node.args if isinstance(a, fx.Node))
        if self.shapes[left.name] != self.shapes[right.name]:
            raise _unsupported(node.name, f"addition of shapes {self.shapes[left.name]} and {self.shapes[right.name]}")
        self._emit(node, "add", inputs=(self.made_by[left.name], self.made_by[right.name]))

    def _skip(self, node: fx.Node, _: object) -> None:
        self.made_by[node.name] = self._source(node)


def _name_of_call(node: fx.Node) -> str:
    """A function's name behind that of the module whose forward() calls it ("block0_add"), if any."""
    modules = [path.partition("@")[0] for path in node.meta.get("nn_module_stack", {}) if path]
    function = getattr(node.target, "__name__", str(node.target))
    return f"{modules[-1].replace('.', '_')}_{function}" if modules else node.name


def _unsupported(where: str, what: str) -> ProjectError:
    return ProjectError(
        f"the engine cannot run {what} (layer `{where}`)", details=_table(), hint="use layers of the table above"
    )


def _table() -> list[str]:
    return ["supported:", *(f"  {layer}: {condition}" for layer, condition in SUPPORTED.items())]
