"""All passes in their order, on published networks and on random ones: smaller, and equal in all that is left."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tinyml.board import Isa
from tinyml.compiler.compile import PASSES
from tinyml.compiler.streaming_analysis import streamable
from tinyml.importers import load_model
from tinyml.ir.graph import Graph
from tinyml.ir.interpret import interpret
from tinyml.ir.verify import verify
from tinyml.ops import Pad, Transpose

# MACs and int8 weights before and after the passes.
SIZES = {
    "mlperf_kws": ((2_656_768, 22_016), (2_656_768, 22_016)),
    "mlperf_vww": ((7_489_664, 208_112), (3_727_313, 29_066)),
    "mlperf_ic": ((12_501_632, 77_360), (12_501_632, 77_360)),
    "mlperf_ad": ((264_192, 264_192), (264_192, 264_192)),
    "mlperf_sww": ((826_368, 46_040), (826_368, 46_040)),
    "mcunet_vww": ((11_578_816, 420_520), (10_869_117, 387_714)),
}


def after_passes(graph: Graph) -> Graph:
    for step in PASSES:
        graph = step(graph)
        verify(graph)
    return graph


def sizes(graph: Graph) -> tuple[int, int]:
    macs = 0
    for node in graph.nodes:
        kinds = graph.input_types(node)
        macs += node.op.cost(node.op.variants(Isa("host"), *kinds)[0], *kinds).macs
    return macs, sum(c.type.elements for c in graph.consts.values() if c.type.dtype == "int8")


def check_equal(before: Graph, after: Graph) -> None:
    assert after.inputs == before.inputs and after.outputs == before.outputs
    assert [after.types[v] for v in after.outputs] == [before.types[v] for v in before.outputs]
    x = np.random.default_rng(1).integers(-128, 128, (12, *before.types[before.inputs[0]].shape[1:])).astype(np.int8)
    x[0], x[1], x[2] = -128, 127, before.types[before.inputs[0]].quant.zero_point
    old, new = interpret(before, x, keep=True), interpret(after, x, keep=True)
    for value in set(old) & set(new):
        np.testing.assert_array_equal(old[value], new[value], err_msg=value)


@pytest.mark.shared
@pytest.mark.parametrize("name", SIZES)
def test_published_networks(shared_dir: Path, name: str) -> None:
    before = load_model(shared_dir / "models" / f"{name}.tflite")
    after = after_passes(before)
    check_equal(before, after)
    assert (sizes(before), sizes(after)) == SIZES[name]
    assert not any(isinstance(node.op, (Pad, Transpose)) for node in after.nodes)


@pytest.mark.shared
def test_the_wake_word_network_streams(shared_dir: Path) -> None:
    streaming = streamable(after_passes(load_model(shared_dir / "models" / "mlperf_sww.tflite")))
    assert streaming.state_bytes == 3_960
    assert [h.rows for h in streaming.histories] == [3, 5, 10, 15]
    assert streaming.frame_type.shape == (1, 1, 1, 40) and streaming.window_frames == 30
