"""Depthwise layers in every band of rows and either way round, not only as the scheduler would have them."""

from __future__ import annotations

import bare_board
import numpy as np
import pytest
from case_graph import CaseGraph

from tinyml.board import Isa
from tinyml.compiler import HostModel, compile_graph
from tinyml.ir.op import Variant
from tinyml.ir.tensor import TensorType
from tinyml.ops.depthwise_conv2d import DepthwiseConv2d

CHOICES = range(4)


@pytest.fixture(params=CHOICES)
def cases(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> CaseGraph:
    """All depthwise cases, each with its variant number `param` among those that have a tile, or its last."""
    every = DepthwiseConv2d.variants

    def one(self: DepthwiseConv2d, isa: Isa, *x: TensorType) -> tuple[Variant, ...]:
        variants = every(self, isa, *x)
        tiled = [v for v in variants if v.tile]
        return (tiled[min(request.param, len(tiled) - 1)],) if tiled else variants

    monkeypatch.setattr(DepthwiseConv2d, "variants", one)
    return CaseGraph.of(list(DepthwiseConv2d.cases()))


def test_host(cases: CaseGraph) -> None:
    compiled = compile_graph(cases.graph, bare_board.cortex_m4().isa, canary=True)
    answers = dict(zip(cases.graph.outputs, HostModel(compiled).invoke(*cases.data), strict=True))
    for name, expected in cases.reference().items():
        np.testing.assert_array_equal(answers[name], expected, err_msg=name)


def test_board(cases: CaseGraph, tmp_path) -> None:
    compiled = compile_graph(cases.graph, bare_board.cortex_m4().isa, canary=True)
    elf = bare_board.build(compiled, "zig", tmp_path)
    answers = bare_board.run(compiled, elf, cases.graph, cases.data)
    for name, expected in cases.reference().items():
        np.testing.assert_array_equal(answers[name], expected, err_msg=name)
