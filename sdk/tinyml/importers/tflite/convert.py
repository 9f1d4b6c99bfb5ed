"""From a TFLite file to `ir.Graph`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tinyml.importers.errors import ModelError
from tinyml.importers.names import identifier
from tinyml.importers.tflite import (  # noqa: F401  (they register)
    activations,
    borders,
    elementwise,
    layers,
    movement,
    pooling,
    shapes,
)
from tinyml.importers.tflite.model import Model, read_model
from tinyml.importers.tflite.registry import converter_of, supported_operators
from tinyml.importers.tflite.site import GraphUnderWay, Site
from tinyml.ir.graph import Graph
from tinyml.ir.op import GraphError
from tinyml.ir.verify import verify

_MOST_NAMED = 12  # unsupported operators in one message


@dataclass(frozen=True)
class Imported:
    """`tensors` maps the index of every TFLite tensor that is computed in `graph` to the value that holds it."""

    graph: Graph
    tensors: Mapping[int, str]


def read_file(path: Path | str) -> bytes:
    """Raises: ModelError when the file cannot be read."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ModelError(f"cannot read `{path}`: {error.strerror or error}") from error


def import_tflite(source: Path | str | bytes, name: str | None = None) -> Imported:
    """The graph of an int8 TFLite model, with one value for every int8 tensor of the file.

    Float inputs and outputs become the int8 tensors behind QUANTIZE and before DEQUANTIZE. Operators round as
    LiteRT's reference kernels do. Raises: ModelError naming the operator or tensor that cannot be imported.
    """
    data = source if isinstance(source, bytes) else read_file(source)
    model = read_model(data)
    check_operators(model)
    stem = "model" if isinstance(source, bytes) else Path(source).stem
    graph = GraphUnderWay(identifier(name or stem, "model"), model.tensors, len(data))
    border = borders.find_borders(model)
    borders.declare_inputs(graph, border)
    for operator in model.operators:
        if operator.index not in border.operators:
            converter = converter_of(operator.name)
            site = Site(operator, graph, converter.options_type)
            if not 1 <= operator.version <= converter.newest:
                raise site.error(f"it has version {operator.version}; versions 1 to {converter.newest} are supported",
                                 "convert the model with an older target, or update tinyml")  # fmt: skip
            converter.convert(site)
    outputs = borders.outputs(graph, border)
    result = graph.builder.build(*outputs)
    try:
        verify(result)
    except GraphError as error:
        raise ModelError(error.message, hint=error.hint, details=error.details) from error
    return Imported(result, graph.values)


def check_operators(model: Model) -> None:
    """Raises: ModelError naming every operator that has no converter, and where each stands first."""
    missing = [o for o in model.operators if converter_of(o.name) is None]
    if not missing:
        return
    counts, firsts = Counter(o.name for o in missing), {o.name: o for o in reversed(missing)}
    details = []
    for name, count in counts.most_common(_MOST_NAMED):
        first = firsts[name]
        place = model.tensors[first.outputs[0]].label if first.outputs else "no output"
        details.append(f"{name}: {count}, the first is operator {first.index} ({place})")
    names = ", ".join(name for name, _ in counts.most_common(_MOST_NAMED))
    raise ModelError(f"the model has operators that are not supported: {names}", details=details,
                     hint=f"supported: {', '.join(supported_operators())}; build the model of these")  # fmt: skip
