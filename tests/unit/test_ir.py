"""Graphs: the verifier's refusals, the text form, saving, interpreting."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tinyml.errors import ProjectError
from tinyml.ir.graph import Graph, GraphBuilder, Node
from tinyml.ir.interpret import interpret
from tinyml.ir.op import GraphError
from tinyml.ir.save import load, save
from tinyml.ir.tensor import Const, QuantParams, TensorType
from tinyml.ir.text import from_text, to_text
from tinyml.ir.verify import verify
from tinyml.ops import AveragePool2d, Conv2d, FullyConnected, Mean, Reshape, Softmax

X = TensorType((1, 4, 4, 2), "int8", QuantParams((0.1,), -3))
OUT = QuantParams((0.25,), -128)


def small_graph(bias: int = 5, act_min: int = -128) -> Graph:
    builder = GraphBuilder("small")
    x = builder.input("x", X)
    weights = np.arange(-9, 9, dtype=np.int8).reshape(3, 3, 1, 2)
    w = builder.const("w", Const.of(weights, QuantParams((0.01, 0.02, 1 / 3), 0, 0)))
    b = builder.const("b", Const.of(np.full(3, bias, np.int32)))
    y = builder.add("conv", Conv2d((1, 1), (1, 1, 0, 0), OUT, act_min), x, w, b)
    y = builder.add("pool", AveragePool2d((2, 2), (2, 2)), y)
    y = builder.add("flat", Reshape((1, 12)), y)
    return builder.build(builder.add("scores", Softmax(), y))


def test_text_is_parsed_back_exactly() -> None:
    graph = small_graph()
    again = from_text(to_text(graph))
    assert again == graph
    assert to_text(again) == to_text(graph)
    assert again.consts["w"].data is None


def test_text_names_operators_types_and_attributes() -> None:
    text = to_text(small_graph())
    assert text.startswith("tir 1\ngraph small(x) -> (scores)\ninput x: int8[1,4,4,2] q((0.1")
    assert "conv = conv2d(x, w, b, stride=(1, 1), padding=(1, 1, 0, 0), out=q((0.25,), -128)" in text
    assert "# int8[1,4,4,3] q((0.25,), -128)" in text


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("tir 1", "tir 9", "format"),
        ("conv2d(", "conv9d(", "no operator `conv9d`"),
        ("stride=(1, 1)", "stride=(1, 1", "cannot be read"),
        ("stride=(1, 1)", "strides=(1, 1)", "cannot be read"),
        ("stride=(1, 1)", "stride=__import__('os')", "cannot be read"),
        ("graph small", "grap small", "second line"),
        ("int8[1,4,4,2]", "int8[1,4,4,5]", "do not fit"),
    ],
)
def test_damaged_text_is_refused(old: str, new: str, message: str) -> None:
    with pytest.raises(GraphError, match=message):
        from_text(to_text(small_graph()).replace(old, new))


def test_saved_graphs_come_back_with_their_data(tmp_path: Path) -> None:
    graph = small_graph()
    folder = save(graph, tmp_path / "deep" / "small.tir")
    again = load(folder)
    assert again == graph
    np.testing.assert_array_equal(again.consts["w"].data, graph.consts["w"].data)
    save(small_graph(bias=7), folder)
    assert load(folder) != graph
    assert [p.name for p in folder.parent.iterdir()] == ["small.tir"]


@pytest.mark.parametrize("name", ["graph.txt", "consts.npz", "digest"])
def test_damaged_and_missing_files_are_refused(tmp_path: Path, name: str) -> None:
    folder = save(small_graph(), tmp_path / "g.tir")
    data = (folder / name).read_bytes()
    (folder / name).write_bytes(data[:-3] + b"xyz")
    with pytest.raises(GraphError, match="damaged"):
        load(folder)
    (folder / name).unlink()
    with pytest.raises(GraphError, match="no readable graph"):
        load(folder)


def test_a_full_disk_leaves_the_old_graph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = save(small_graph(), tmp_path / "g.tir")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(ProjectError, match="space"):
        save(small_graph(bias=9), folder)
    assert load(folder) == small_graph()
    assert [p.name for p in tmp_path.iterdir()] == ["g.tir"]


def test_interpret_takes_batches_and_keeps_values() -> None:
    graph = small_graph()
    x = np.random.default_rng(0).integers(-128, 128, (5, 4, 4, 2)).astype(np.int8)
    values = interpret(graph, x, keep=True)
    assert set(values) == {"x", "conv", "pool", "flat", "scores"}
    one_by_one = np.concatenate([interpret(graph, x[i : i + 1])[0] for i in range(5)])
    np.testing.assert_array_equal(values["scores"], one_by_one)


def test_interpret_refuses_what_does_not_fit() -> None:
    graph = small_graph()
    with pytest.raises(GraphError, match="takes 1 inputs"):
        interpret(graph)
    with pytest.raises(GraphError, match="input `x` is"):
        interpret(graph, np.zeros((1, 4, 4, 3), np.int8))
    weightless = replace(graph, consts={n: replace(c, data=None) for n, c in graph.consts.items()})
    verify(weightless)
    with pytest.raises(GraphError, match="weightless"):
        interpret(weightless, np.zeros((1, 4, 4, 2), np.int8))


def broken(**changes: object) -> Graph:
    return replace(small_graph(), **changes)


def without_type_of_conv() -> Graph:
    graph = small_graph()
    return replace(graph, types={**graph.types, "conv": X})


def with_other_data() -> Graph:
    graph = small_graph()
    other = replace(graph.consts["b"], data=np.zeros(3, np.int32))
    return replace(graph, consts={**graph.consts, "b": other})


def in_wrong_order() -> Graph:
    graph = small_graph()
    return replace(graph, nodes=graph.nodes[::-1])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: broken(name="not a name"), "not a valid name"),
        (lambda: broken(outputs=()), "no output"),
        (lambda: broken(outputs=("w",)), "not computed"),
        (lambda: broken(inputs=("x", "x")), "defined twice"),
        (lambda: broken(nodes=(*small_graph().nodes, Node("pool", Mean(), ("pool",), ("again",)))), "two nodes"),
        (in_wrong_order, "before it is computed"),
        (without_type_of_conv, "has a type that its operator does not give"),
        (with_other_data, "does not match its hash"),
        (lambda: small_graph(bias=2**31 - 1), "can overflow 32 bits"),
        (lambda: small_graph(act_min=-200), "outside int8"),
    ],
)
def test_verify_refuses(make, message: str) -> None:
    with pytest.raises(GraphError, match=message):
        verify(make())


def quantised(shape: tuple[int, ...], scale: float = 0.1, zero: int = 0) -> TensorType:
    return TensorType(shape, "int8", QuantParams((scale,), zero))


B3, NO_PADDING = TensorType((3,), "int32"), (0, 0, 0, 0)


@pytest.mark.parametrize(
    ("op", "types", "message"),
    [
        (Conv2d((1, 1), NO_PADDING, OUT), (X, quantised((3, 5, 5, 2)), B3), "does not fit into"),
        (Conv2d((1, 1), (3, 0, 0, 0), OUT), (X, quantised((3, 2, 2, 2)), B3), "reaches past"),
        (Conv2d((0, 1), NO_PADDING, OUT), (X, quantised((3, 2, 2, 2)), B3), "must be positive"),
        (Conv2d((1, 1), NO_PADDING, OUT), (X, quantised((3, 2, 2, 2), zero=1), B3), "zero point 0"),
        (Conv2d((1, 1), NO_PADDING, OUT), (X, quantised((3, 2, 2, 2)), TensorType((4,), "int32")), "expected int32"),
        (FullyConnected(OUT), (quantised((1, 8)), quantised((3, 9)), B3), "do not fit"),
        (FullyConnected(OUT), (quantised((1, 8), 1e9), quantised((3, 8)), B3), "outside"),
        (FullyConnected(OUT, rounding="odd"), (quantised((1, 8)), quantised((3, 8)), B3), "rounding"),
        (Mean(), (TensorType((1, 4, 4, 2), "int8"),), "one scale"),
        (Reshape((1, 7)), (X,), "cannot be reshaped"),
    ],
)
def test_operators_refuse(op, types, message: str) -> None:
    with pytest.raises(GraphError, match=message):
        op.infer(*types)
