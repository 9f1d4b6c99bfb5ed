"""Whole DS-CNNs in their planned memory, where tensors overlap: interpreter, host C and virtual board agree."""

from __future__ import annotations

import shutil
from dataclasses import replace

import bare_board
import numpy as np
import pytest
from networks import ds_cnn, random_input

from tinyml.board import Isa
from tinyml.compiler import HostModel, compile_graph
from tinyml.errors import ProjectError
from tinyml.ir.graph import Graph
from tinyml.ir.interpret import interpret

SHAPES = {
    "kws": {"channels": 16, "blocks": 2},
    "odd": {"shape": (23, 17), "channels": 7, "blocks": 2, "classes": 3, "kernel": (5, 5)},
    "narrow": {"shape": (49, 10), "channels": 20, "blocks": 3, "classes": 12, "kernel": (10, 4)},
    "tiny": {"shape": (1, 1), "channels": 1, "blocks": 1, "classes": 1, "kernel": (1, 1), "stride": (1, 1)},
    "stride_one": {"shape": (6, 9), "channels": 6, "blocks": 1, "classes": 4, "kernel": (3, 3), "stride": (1, 1)},
}


@pytest.fixture(params=SHAPES)
def graph(request: pytest.FixtureRequest) -> Graph:
    return ds_cnn(len(request.param), **SHAPES[request.param])


@pytest.mark.parametrize("simd", [False, True], ids=["portable", "simd"])
def test_host_equals_interpreter(graph: Graph, simd: bool) -> None:
    x = random_input(graph, seed=3, batch=8)
    compiled = compile_graph(graph, bare_board.cortex_m4().isa if simd else Isa("host"))
    np.testing.assert_array_equal(HostModel(compiled).invoke(x), interpret(graph, x)[0])


@pytest.mark.parametrize("compiler", ["zig", "gcc"])
def test_board_equals_interpreter(graph: Graph, compiler: str, tmp_path) -> None:
    if compiler == "gcc" and shutil.which("arm-none-eabi-gcc") is None:
        pytest.skip("arm-none-eabi-gcc is not on PATH")
    x = random_input(graph, seed=4)
    compiled = compile_graph(graph, bare_board.cortex_m4().isa)
    elf = bare_board.build(compiled, compiler, tmp_path)
    scores = bare_board.run(compiled, elf, graph, (x,))[graph.outputs[0]]
    np.testing.assert_array_equal(scores, interpret(graph, x)[0])


def test_taps_hold_every_tensor(graph: Graph) -> None:
    x = random_input(graph, seed=5)
    model = HostModel(compile_graph(graph, bare_board.cortex_m4().isa, taps=True))
    model.invoke(x)
    for name, value in interpret(graph, x, keep=True).items():
        np.testing.assert_array_equal(model.tap(name), value, err_msg=name)


def test_guards_catch_a_stray_write() -> None:
    graph = ds_cnn(1, channels=4, blocks=1)
    compiled = compile_graph(graph, Isa("host"), canary=True)
    behind = compiled.plan["mean"].offset + compiled.plan["mean"].size
    head = "void m_invoke(void *arena) {\n"
    stray = compiled.files["m.c"].replace(head, f"{head}    ((uint8_t *)arena)[{behind}] = 1;\n")
    assert stray != compiled.files["m.c"]
    with pytest.raises(ProjectError, match="wrote behind `mean`"):
        HostModel(replace(compiled, files={**compiled.files, "m.c": stray})).invoke(random_input(graph))


def test_emitted_c_is_deterministic(graph: Graph) -> None:
    isa = bare_board.cortex_m4().isa
    assert compile_graph(graph, isa).files == compile_graph(graph, isa).files


def test_every_layer_has_its_comment_and_function(graph: Graph) -> None:
    compiled = compile_graph(graph, bare_board.cortex_m4().isa)
    source = compiled.files["m.c"]
    for index, layer in enumerate(compiled.layers):
        assert f"/* {index:02d} {layer.op} " in source
        assert f"static TM_SEPARATE void {layer.symbol}(uint8_t *arena)" in source
        assert f"    {layer.symbol}((uint8_t *)arena);" in source
