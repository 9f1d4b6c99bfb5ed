"""Optimised builds, with all overlaps, touch only what their plan gave them; falsified plans and kernels are found."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import bare_board
import numpy as np
import pytest
from networks import NetworkBuilder, ds_cnn, random_input

from tinyml.bench.canary import UNPREDICATED, prove_canary
from tinyml.bench.image import build_image
from tinyml.bench.inputs import sample_inputs
from tinyml.board import Isa
from tinyml.compiler import Compiled, compile_graph
from tinyml.compiler.arena_canary import ArenaCanary
from tinyml.compiler.plan import Plan
from tinyml.errors import DeviceError, ProjectError
from tinyml.importers import load_model
from tinyml.ir.graph import Graph
from tinyml.ir.interpret import interpret
from tinyml.ir.save import save
from tinyml.ir.tensor import QuantParams
from tinyml.ops import Add
from tinyml.sim import check_arena_accesses


def residual() -> Graph:
    """Two inverted residual blocks between a first layer and a classifier."""
    net = NetworkBuilder("residual", 5)
    x = net.conv(net.input((1, 20, 16, 3)), 8, (3, 3), (2, 2), (0, 1, 0, 1))
    for index in range(2):
        y = net.conv(net.depthwise(net.conv(x, 24)), 8)
        scale = 2 * net.graph.types[x].quant.scale
        x = net.graph.add(f"add_{index}", Add(QuantParams((scale,), -128)), x, y)
    return net.classify(x, 5)


GRAPHS = {"kws": ds_cnn(3), "odd": ds_cnn(4, shape=(23, 17), channels=7, kernel=(5, 5)), "residual": residual()}
NETWORKS = ("mcunet_vww", "mlperf_ad", "mlperf_ic", "mlperf_kws", "mlperf_sww", "mlperf_vww")
ISAS = {"portable": Isa("host"), "simd": bare_board.cortex_m4().isa}


@pytest.fixture(params=GRAPHS)
def graph(request: pytest.FixtureRequest) -> Graph:
    return GRAPHS[request.param]


def overlapped(plan: Plan) -> list[str]:
    """Steps whose output lies over their input."""
    found = []
    for step in plan.steps:
        target = plan[step.writes[0]]
        if any(plan[r].offset < target.end and target.offset < plan[r].end for r in step.reads):
            found.append(step.name)
    return found


@pytest.mark.parametrize("isa", ISAS.values(), ids=ISAS)
def test_no_kernel_touches_what_is_not_its_own(graph: Graph, isa: Isa) -> None:
    compiled, x = compile_graph(graph, isa), random_input(graph, seed=1, batch=3)
    if isa.dsp:
        assert overlapped(compiled.plan)
    np.testing.assert_array_equal(ArenaCanary(compiled).invoke(x), interpret(graph, x)[0])


def moved(compiled: Compiled, name: str, by: int) -> Compiled:
    """With a plan that says `name` lies `by` bytes higher than the C puts it."""
    places = [replace(p, offset=p.offset + by) if p.name == name else p for p in compiled.plan.placements]
    return replace(compiled, plan=replace(compiled.plan, placements=tuple(places)))


@pytest.fixture(scope="module")
def simd() -> Compiled:
    return compile_graph(GRAPHS["residual"], ISAS["simd"])


def test_a_write_outside_the_plan_is_found(simd: Compiled) -> None:
    step = simd.plan.steps[1]
    falsified = moved(simd, step.writes[0], 16)
    with pytest.raises(ProjectError, match=f"`{step.name}` wrote to byte"):
        ArenaCanary(falsified).invoke(random_input(GRAPHS["residual"]))


def test_a_read_of_dead_memory_is_found(simd: Compiled) -> None:
    """The plan forgets that what goes around a block is read at its end."""
    skip = next(p for p in simd.plan.placements if p.last_step - p.first_step > 1)
    places = [replace(p, last_step=p.first_step + 1) if p is skip else p for p in simd.plan.placements]
    falsified = replace(simd, plan=replace(simd.plan, placements=tuple(places)))
    with pytest.raises(ProjectError, match="read memory that holds nothing for it"):
        ArenaCanary(falsified).invoke(random_input(GRAPHS["residual"]))


def test_a_scratch_that_is_too_small_is_found(simd: Compiled) -> None:
    scratch = next(p for p in simd.plan.placements if p.kind == "scratch")
    places = [replace(p, size=4) if p is scratch else p for p in simd.plan.placements]
    falsified = replace(simd, plan=replace(simd.plan, placements=tuple(places)))
    with pytest.raises(ProjectError, match=f"`{scratch.name.removeprefix('scratch ')}` wrote to byte"):
        ArenaCanary(falsified).invoke(random_input(GRAPHS["residual"]))


@pytest.fixture(scope="module", params=GRAPHS)
def on_board(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Compiled, Path]:
    compiled = compile_graph(GRAPHS[request.param], ISAS["simd"])
    folder = tmp_path_factory.mktemp("canary")
    return compiled, bare_board.build(compiled, "zig", folder, UNPREDICATED["zig"])


def test_no_layer_touches_what_is_not_its_own_on_the_board(on_board: tuple[Compiled, Path]) -> None:
    compiled, elf = on_board
    assert overlapped(compiled.plan)
    assert check_arena_accesses(compiled, elf, bare_board.cortex_m4()) == ()


def test_every_byte_outside_a_falsified_plan_is_named(on_board: tuple[Compiled, Path]) -> None:
    compiled, elf = on_board
    step = compiled.plan.steps[1]
    layer = next(x for x in compiled.layers if x.step == step.name)
    falsified = moved(compiled, step.writes[0], 16)
    begin = compiled.plan[step.writes[0]].offset
    found = check_arena_accesses(falsified, elf, bare_board.cortex_m4())
    written = [s for s in found if s.write and s.begin == begin]
    assert [(s.layer, s.end) for s in written] == [(layer.symbol, begin + 16)]


def test_the_image_of_another_network_proves_nothing(on_board: tuple[Compiled, Path]) -> None:
    compiled, elf = on_board
    other = replace(compiled.layers[-1], symbol="m_layer_99_other")
    with pytest.raises(DeviceError, match="m_layer_99_other touched nothing"):
        check_arena_accesses(replace(compiled, layers=(*compiled.layers, other)), elf, bare_board.cortex_m4())


@pytest.mark.parametrize("name", NETWORKS)
def test_known_networks_touch_only_what_is_theirs(shared_dir: Path, tmp_path: Path, name: str) -> None:
    """On the host step by step with poison, and on the board access by access."""
    board = bare_board.cortex_m4()
    graph = load_model(shared_dir / "models" / f"{name}.tflite")
    prove_canary(compile_graph(graph, board.isa), board, tmp_path, inputs=sample_inputs(graph, 2))


def test_the_proof_names_layers_and_bytes(simd: Compiled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    board, x = bare_board.cortex_m4(), sample_inputs(GRAPHS["residual"], 2)
    falsified = moved(simd, simd.plan.steps[1].writes[0], 16)
    with pytest.raises(ProjectError, match="wrote to byte"):
        prove_canary(falsified, board, tmp_path, inputs=x)
    monkeypatch.setattr(ArenaCanary, "invoke", lambda self, *inputs: None)
    with pytest.raises(ProjectError, match="`residual` touches memory that its plan did not give it") as caught:
        prove_canary(falsified, board, tmp_path, inputs=x)
    layer = next(x.symbol for x in simd.layers if x.step == simd.plan.steps[1].name)
    begin = simd.plan[simd.plan.steps[1].writes[0]].offset
    assert f"{layer} writes arena bytes [{begin}, {begin + 16})" in caught.value.details


def test_a_layer_that_touches_a_variable_is_found(tmp_path: Path) -> None:
    compiled = compile_graph(GRAPHS["kws"], ISAS["simd"])
    symbol = compiled.layers[-1].symbol
    head = f"static TM_SEPARATE void {symbol}(uint8_t *arena) {{\n"
    changed = compiled.files["m.c"].replace(head, f"static volatile int32_t stray;\n{head}    stray = 1;\n")
    assert changed != compiled.files["m.c"]
    broken = replace(compiled, files={**compiled.files, "m.c": changed})
    elf = bare_board.build(broken, "zig", tmp_path, UNPREDICATED["zig"])
    found = check_arena_accesses(compiled, elf, bare_board.cortex_m4())
    assert [(s.layer, s.begin) for s in found] == [(symbol, None)]


@pytest.mark.parametrize("compiler", UNPREDICATED)
def test_no_layer_of_a_streamed_network_touches_what_is_not_its_own(tmp_path: Path, compiler: str) -> None:
    if compiler == "gcc" and shutil.which("arm-none-eabi-gcc") is None:
        pytest.skip("arm-none-eabi-gcc is not on PATH")
    net, board = NetworkBuilder("streamed", 2), bare_board.cortex_m4()
    x = net.conv(net.input((1, 9, 1, 10)), 8, (3, 1))
    x = net.conv(net.depthwise(x, (4, 1), padding=(0, 0, 0, 0)), 12)
    compiled = compile_graph(net.classify(x, 3), board.isa, stream=True)
    image = build_image(compiled, board, compiler, tmp_path, stream=True, flags=UNPREDICATED[compiler])
    assert check_arena_accesses(compiled, image.elf, board, pushes=3) == ()
    state = next(name for step in compiled.plan.steps for name in step.reads if name in step.writes)
    falsified = moved(compiled, state, 4)
    assert check_arena_accesses(falsified, image.elf, board, pushes=1)


def test_bench_proves_and_draws_on_demand(tmp_path: Path) -> None:
    save(GRAPHS["residual"], tmp_path / "residual.tir")
    done = subprocess.run(
        [sys.executable, "-m", "tinyml.cli.main", "bench", "residual.tir", "--canary", "--picture", "plan.png"],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "Canary: no layer touched memory that is not its own, on the host and on the board" in done.stdout
    assert sorted(p.name for p in tmp_path.iterdir()) == ["plan.png", "residual.tir"]
    assert (tmp_path / "plan.png").read_bytes().startswith(b"\x89PNG")
