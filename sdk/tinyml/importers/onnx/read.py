"""Reading ONNX files: from bytes that nobody vouches for to `OnnxModel`."""

from __future__ import annotations

from collections.abc import Iterable
from math import prod
from pathlib import Path
from types import ModuleType

import numpy as np

from tinyml.errors import missing_extra
from tinyml.importers.onnx.errors import OnnxError, at_node
from tinyml.importers.onnx.model import OnnxInput, OnnxModel, OnnxNode

OLDEST_OPSET = 13
_MOST_ELEMENTS = 2**26  # of one tensor: far above what a microcontroller holds, far below what exhausts the host
_MOST_BYTES = 2**30
_DTYPES = ("float32", "float64", "int8", "uint8", "int32", "int64", "bool")
_CONTROL_FLOW = ("If", "Loop", "Scan", "SequenceMap")
_DOMAINS = ("", "ai.onnx", "com.microsoft")


def read_onnx(source: Path | str | bytes) -> OnnxModel:
    """Read a model from a file, or from its bytes (then without external data).

    Raises: OnnxError for files that are damaged, too old, or use what an int8 graph cannot hold; MissingToolError when
    onnx is not installed.
    """
    try:
        import onnx
    except ImportError as error:
        raise missing_extra("onnx", "onnx") from error
    folder = None if isinstance(source, bytes) else Path(source).parent
    return _Reader(onnx, _parsed(onnx, source), folder).model()


def _parsed(onnx: ModuleType, source: Path | str | bytes) -> object:
    from google.protobuf.message import DecodeError

    label = "the model" if isinstance(source, bytes) else str(source)
    try:
        if not isinstance(source, bytes):
            if Path(source).stat().st_size > _MOST_BYTES:
                raise OnnxError(f"{label} is larger than {_MOST_BYTES:,} bytes")
            source = Path(source).read_bytes()
        proto = onnx.load_model_from_string(source)
    except OSError as error:
        raise OnnxError(f"{label} cannot be read", details=(str(error),)) from error
    except (DecodeError, UnicodeDecodeError, ValueError, RuntimeError) as error:
        raise OnnxError(f"{label} is not an ONNX file, or is damaged", details=(str(error),)) from error
    if not proto.HasField("graph") or not proto.opset_import:
        raise OnnxError(f"{label} is not an ONNX file, or is damaged", details=("there is no graph in it",))
    return proto


class _Reader:
    def __init__(self, onnx: ModuleType, proto, folder: Path | None) -> None:  # noqa: ANN001 - onnx.ModelProto
        self.onnx, self.proto, self.graph, self.folder = onnx, proto, proto.graph, folder

    def model(self) -> OnnxModel:
        opset = self._opset()
        constants: dict[str, np.ndarray] = {}
        for tensor in self.graph.initializer:
            constants[tensor.name] = self._array(tensor)
        if self.graph.sparse_initializer:
            raise OnnxError("the model stores sparse constants, which are not supported", hint="store them dense")
        inputs = tuple(self._value(v) for v in self.graph.input if v.name not in constants)
        outputs = tuple(self._value(v) for v in self.graph.output)
        if not inputs or not outputs:
            raise OnnxError(f"the model has {len(inputs)} inputs and {len(outputs)} outputs; it needs one of each")
        if len(self.graph.node) > 100_000:
            raise OnnxError(f"the model has {len(self.graph.node):,} nodes, far more than a microcontroller runs")
        protos = [p for p in _needed(self.graph.node, {v.name for v in outputs})]
        _check_order(protos, {*constants, *(v.name for v in inputs)}, outputs)
        nodes = tuple(self._node(p) for p in protos)
        return OnnxModel(self.graph.name, opset, inputs, outputs, nodes, constants)

    def _opset(self) -> int:
        versions = [entry.version for entry in self.proto.opset_import if entry.domain in ("", "ai.onnx")]
        newest = self.onnx.defs.onnx_opset_version()
        if not versions or not OLDEST_OPSET <= max(versions) <= newest:
            found = max(versions) if versions else "no"
            raise OnnxError(
                f"the model uses opset {found}; supported are {OLDEST_OPSET} to {newest}",
                hint="export it again with `opset_version=17`, or convert it with `onnx.version_converter`",
            )
        return max(versions)

    def _value(self, info) -> OnnxInput:  # noqa: ANN001 - onnx.ValueInfoProto
        kind = info.type.tensor_type
        if not info.type.HasField("tensor_type"):
            raise OnnxError(f"`{info.name}` is not a tensor")
        dims = tuple(d.dim_value if d.HasField("dim_value") else None for d in kind.shape.dim)
        if any(d is not None and d < 1 for d in dims):
            raise OnnxError(f"`{info.name}` has the shape {list(dims)}: sizes must be positive")
        return OnnxInput(info.name, self._dtype(kind.elem_type, info.name), dims)

    def _dtype(self, code: int, name: str) -> str:
        """The numpy name of an element type. Raises: OnnxError for a type that is not supported."""
        found = self.onnx.TensorProto.DataType.Name(code) if code in self.onnx.TensorProto.DataType.values() else code
        names = {"FLOAT": "float32", "DOUBLE": "float64"}
        dtype = names.get(found, str(found).lower())
        if dtype in _DTYPES:
            return dtype
        hint = "quantise to 8 bits: `activation_type=QuantType.QInt8, weight_type=QuantType.QInt8`"
        raise OnnxError(f"`{name}` has elements of type {dtype}; supported are {', '.join(_DTYPES)}",
                        hint=hint if "int" in dtype else None)  # fmt: skip

    def _array(self, tensor) -> np.ndarray:  # noqa: ANN001 - onnx.TensorProto
        """The data of a constant, after its size was found to be that of its shape."""
        dtype = self._dtype(tensor.data_type, tensor.name)
        dims = tuple(tensor.dims)
        if len(dims) > 8 or any(d < 0 for d in dims) or prod(dims) > _MOST_ELEMENTS:
            raise OnnxError(f"constant `{tensor.name}` has the impossible shape {list(dims)[:8]}")
        if tensor.data_location == self.onnx.TensorProto.EXTERNAL:
            self._load_external(tensor, prod(dims) * np.dtype(dtype).itemsize)
        typed = {"float32": tensor.float_data, "float64": tensor.double_data, "int64": tensor.int64_data}
        if tensor.HasField("raw_data"):
            stored, expected = len(tensor.raw_data), prod(dims) * np.dtype(dtype).itemsize
        else:
            stored, expected = len(typed.get(dtype, tensor.int32_data)), prod(dims)
        if stored != expected:
            raise OnnxError(f"constant `{tensor.name}` of shape {list(dims)} holds {stored} instead of {expected} "
                            f"{'bytes' if tensor.HasField('raw_data') else 'values'}")  # fmt: skip
        try:
            return self.onnx.numpy_helper.to_array(tensor)
        except (ValueError, TypeError, OverflowError) as error:
            raise OnnxError(f"constant `{tensor.name}` cannot be read", details=(str(error),)) from error

    def _load_external(self, tensor, size: int) -> None:  # noqa: ANN001 - onnx.TensorProto
        from onnx.external_data_helper import load_external_data_for_tensor

        entries = {entry.key: entry.value for entry in tensor.external_data}
        where = entries.get("location", "")
        if self.folder is None:
            raise OnnxError(
                f"constant `{tensor.name}` lies in another file (`{where}`)", hint="import the file by path"
            )
        try:
            path = (self.folder / where).resolve()
            inside, present = path.is_relative_to(self.folder.resolve()), path.is_file()
            if not inside or not present or path.stat().st_size < size:
                raise OnnxError(
                    f"the external data of constant `{tensor.name}` are not in `{where}` beside the model",
                    hint="keep the model and its data file together, or save it with `save_as_external_data=False`",
                )
            if entries.get("length", str(size)) != str(size):
                raise OnnxError(f"the external data of constant `{tensor.name}` are not {size} bytes")
            load_external_data_for_tensor(tensor, str(self.folder))
        except (OSError, ValueError, RuntimeError, self.onnx.checker.ValidationError) as error:
            raise OnnxError(f"the external data of `{tensor.name}` cannot be read", details=(str(error),)) from error

    def _node(self, proto) -> OnnxNode:  # noqa: ANN001 - onnx.NodeProto
        name = proto.name or next((o for o in proto.output if o), "")
        if proto.op_type in _CONTROL_FLOW:
            raise at_node(proto.op_type, name, "control flow cannot become a fixed schedule",
                          hint="export the model with the branch or the loop unrolled (torch: trace it)")  # fmt: skip
        if proto.domain not in _DOMAINS:
            raise at_node(proto.op_type, name, f"operators of the domain `{proto.domain}` are not supported")
        attributes = {a.name: self._attribute(a, proto.op_type, name) for a in proto.attribute}
        return OnnxNode(proto.op_type, name, tuple(proto.input), tuple(proto.output), attributes)

    def _attribute(self, proto, kind: str, name: str) -> object:  # noqa: ANN001 - onnx.AttributeProto
        types = self.onnx.AttributeProto
        if proto.type == types.TENSOR:
            return self._array(proto.t)
        if proto.type == types.STRING:
            return proto.s.decode("utf-8", "replace")
        if proto.type in (types.INTS, types.FLOATS):
            return tuple(proto.ints if proto.type == types.INTS else proto.floats)
        if proto.type in (types.INT, types.FLOAT):
            return proto.i if proto.type == types.INT else proto.f
        raise at_node(kind, name, f"attribute `{proto.name}` is of a kind that is not supported")


def _needed(protos: Iterable, outputs: set[str]) -> list:
    """The nodes that the outputs depend on, in the order of the file."""
    needed, kept = set(outputs), []
    for proto in reversed(list(protos)):
        if any(name in needed for name in proto.output if name):
            kept.append(proto)
            needed.update(name for name in proto.input if name)
    return kept[::-1]


def _check_order(protos: list, known: set[str], outputs: Iterable[OnnxInput]) -> None:
    defined = set(known)
    for proto in protos:
        name = proto.name or next((o for o in proto.output if o), "")
        for value in proto.input:
            if value and value not in defined:
                raise at_node(proto.op_type, name, f"reads `{value}`, which nothing before it computes",
                              hint="the file is damaged: a constant is missing, or the nodes form a cycle")  # fmt: skip
        for value in filter(None, proto.output):
            if value in defined:
                raise at_node(proto.op_type, name, f"computes `{value}` a second time")
            defined.add(value)
    for output in outputs:
        if output.name not in defined:
            raise OnnxError(f"nothing computes the output `{output.name}`")
