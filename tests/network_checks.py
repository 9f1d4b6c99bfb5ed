"""One TFLite file under every build that the product makes of it: each must give LiteRT's bytes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from tests.random_networks import FAMILIES, RandomNetwork, random_network
from tinyml.bench.canary import UNPREDICATED
from tinyml.bench.image import build_image
from tinyml.bench.inputs import sample_inputs
from tinyml.bench.machine import NetworkMachine
from tinyml.board import Isa, load_board
from tinyml.compiler import compile_graph
from tinyml.compiler.arena_canary import ArenaCanary
from tinyml.importers.tflite import Imported, import_tflite
from tinyml.ir.graph import Graph
from tinyml.ir.interpret import interpret
from tinyml.ir.op import GraphError
from tinyml.sim import check_arena_accesses

BOARD = load_board("nrf52840")
BUILDS = (("zig", "O2"), ("gcc", "O2"), ("zig", "Os"), ("gcc", "Os"))
"""(compiler, level) of a build for the board."""
_EXTRA_FRAMES = 3


class Checked:
    """A network whose integer reference has every tensor of LiteRT's, on `count` inputs. Raises: AssertionError."""

    def __init__(self, network: RandomNetwork, folder: Path, count: int = 4) -> None:
        self._folder = folder
        path = folder / f"{network.name}.tflite"
        path.write_bytes(network.model)
        imported = import_tflite(path)
        self.graph: Graph = imported.graph
        self.inputs = sample_inputs(self.graph, count, seed=7)
        _compare_tensors(network.model, imported, self.inputs)
        self.expected = [interpret(self.graph, *item) for item in self.inputs]

    def on_host(self, isa: Isa) -> None:
        """The optimised build, step by step with poison in all that is dead."""
        model = ArenaCanary(compile_graph(self.graph, isa))
        found = model.invoke(*(np.concatenate(arrays) for arrays in zip(*self.inputs, strict=True)))
        for mine, wanted in zip(found if isinstance(found, tuple) else (found,), zip(*self.expected, strict=True),
                                strict=True):  # fmt: skip
            np.testing.assert_array_equal(mine, np.concatenate(wanted))

    def on_board(self, compiler: str, optimise: str) -> None:
        """The virtual Cortex-M4. Raises: MissingToolError."""
        compiled = compile_graph(self.graph, BOARD.isa)
        folder = self._folder / f"{compiler}_{optimise}"
        machine = NetworkMachine(BOARD, build_image(compiled, BOARD, compiler, folder, optimise=optimise).elf, ())
        size = sum(kind.size_bytes for kind in compiled.output_types)
        for item, wanted in zip(self.inputs, self.expected, strict=True):
            machine.write("g_arena", b"\xa5" * compiled.plan.arena_bytes)
            machine.write("g_in", b"".join(x.tobytes() for x in item))
            for function in ("put", "run", "get"):
                machine.call(function)
            found, whole = machine.read("g_out", size), b"".join(y.tobytes() for y in wanted)
            np.testing.assert_array_equal(np.frombuffer(found, np.int8), np.frombuffer(whole, np.int8))

    def touches_only_its_own(self, compiler: str = "zig", stream: bool = False) -> None:
        """Every load and store on the virtual board, whole inputs or rows of them. Raises: MissingToolError."""
        compiled = compile_graph(self.graph, BOARD.isa, stream=stream)
        image = build_image(compiled, BOARD, compiler, self._folder / f"watched_{stream}", stream=stream,
                            flags=UNPREDICATED[compiler])  # fmt: skip
        pushes = self.graph.types[self.graph.inputs[0]].shape[1] if stream else 1
        assert check_arena_accesses(compiled, image.elf, BOARD, pushes=pushes) == ()

    def streamed(self, compiler: str, optimise: str) -> str:
        """Fed row by row on the virtual board: "overlap", "apart", or "" for a network that cannot be."""
        try:
            compiled = compile_graph(self.graph, BOARD.isa, stream=True)
        except GraphError as error:
            assert "cannot be streamed" in error.message
            return ""
        folder = self._folder / f"stream_{compiler}_{optimise}"
        image = build_image(compiled, BOARD, compiler, folder, optimise=optimise, stream=True)
        apart = "#define M_WINDOWS_OVERLAP 0\n" in compiled.files["m.h"]
        window, out = self.graph.types[self.graph.inputs[0]], self.graph.types[self.graph.outputs[0]]
        length = window.shape[1]
        count = 2 * length if apart else length + _EXTRA_FRAMES
        rows = np.random.default_rng(length).integers(-128, 128, (count, *window.shape[2:])).astype(np.int8)
        machine = NetworkMachine(BOARD, image.elf, ())
        machine.write("g_arena", b"\xa5" * compiled.plan.arena_bytes)
        machine.call("put")
        for pushed, row in enumerate(rows, start=1):
            machine.write("g_in", row.tobytes())
            machine.call("run")
            due = pushed % length == 0 if apart else pushed >= length
            assert (machine.read("g_ready", 4) != bytes(4)) == due, f"push {pushed} of windows of {length}"
            if due:
                machine.call("get")
                (wanted,) = interpret(self.graph, rows[pushed - length : pushed].reshape(window.shape))
                found = np.frombuffer(machine.read("g_out", out.size_bytes), np.int8).reshape(out.shape)
                np.testing.assert_array_equal(found, wanted)
        return "apart" if apart else "overlap"


def check_one_build(seed: int, folder: Path) -> None:
    """The random network of `seed`, portable or not on the host, as one of the builds, fed by rows, watched."""
    network = random_network(seed)
    checked = Checked(network, folder)
    checked.on_host(BOARD.isa if seed % 3 else Isa("host"))
    compiler, optimise = BUILDS[(seed + seed // len(FAMILIES)) % len(BUILDS)]
    checked.on_board(compiler, optimise)
    streams = checked.streamed(compiler, optimise)
    checked.touches_only_its_own(compiler, stream=bool(streams) and seed % 2 == 1)


def check_all_builds(seed: int, folder: Path) -> None:
    """The random network of `seed` on the host, in every build for the board, row by row in two of them, watched."""
    checked = Checked(random_network(seed), folder, count=10)
    for isa in (BOARD.isa, Isa("host")):
        checked.on_host(isa)
    for compiler, optimise in BUILDS:
        checked.on_board(compiler, optimise)
    for compiler, optimise in (BUILDS[0], BUILDS[3]):
        streams = checked.streamed(compiler, optimise)
    for stream in (False, True) if streams else (False,):
        checked.touches_only_its_own("zig", stream)


def _compare_tensors(model: bytes, imported: Imported, inputs: list[tuple[np.ndarray, ...]]) -> None:
    graph = imported.graph
    runner = Interpreter(model_content=model, experimental_op_resolver_type=OpResolverType.BUILTIN_REF,
                         experimental_preserve_all_tensors=True)  # fmt: skip
    runner.allocate_tensors()
    for item in inputs:
        for detail, value, data in zip(runner.get_input_details(), graph.inputs, item, strict=True):
            if detail["dtype"] != np.int8:
                quant = graph.types[value].quant
                data = (data.astype(np.float32) - np.float32(quant.zero_point)) * np.float32(quant.scale)
            runner.set_tensor(detail["index"], data)
        runner.invoke()
        mine = interpret(graph, *item, keep=True)
        for index, value in imported.tensors.items():
            np.testing.assert_array_equal(mine[value], runner.get_tensor(index), err_msg=value)
