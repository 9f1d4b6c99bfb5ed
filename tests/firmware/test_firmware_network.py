"""The whole firmware with a compiled network: native program, virtual nRF52840 and QEMU print the same lines."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.golden.networks import NetworkBuilder

from tinyml.board import Board, load_board
from tinyml.compiler import compile_graph, write
from tinyml.firmware import Image, build
from tinyml.ir.graph import Graph
from tinyml.ir.tensor import Const, QuantParams
from tinyml.ops import FullyConnected, Mean, Softmax

BOARDS = Path(__file__).parent / "qemu"
COMPILERS = [
    "zig",
    pytest.param("gcc", marks=pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="no arm gcc")),
]


def network(classes: int = 4, channels: int = 24) -> Graph:
    """A DS-CNN of random weights whose scores follow the sound instead of being stuck at 0 and 1."""
    net = NetworkBuilder("lively", 1)
    x = net.conv(net.input((1, 49, 40, 1), 0.5, 0), channels, (10, 4), (2, 2), (4, 5, 1, 1))
    for _ in range(2):
        x = net.conv(net.depthwise(x), channels)
    mean = net.graph.add("mean", Mean(), x)
    scale = 30 / 127 / channels / net.graph.types[mean].quant.scale / 60
    data = net.random.integers(-127, 128, (classes, channels)).astype(np.int8)
    weights = net.graph.const("weights", Const.of(data, QuantParams((scale,) * classes, 0, 0)))
    bias = net.graph.const("bias", Const.of(np.zeros(classes, np.int32)))
    logits = net.graph.add("logits", FullyConnected(QuantParams((0.04,), 0)), mean, weights, bias)
    return net.graph.build(net.graph.add("scores", Softmax(), logits))


def compiled(parts, board: Board, folder: Path, configured) -> object:
    """The application with that network, for the board's core."""
    model = write(compile_graph(network(), board.isa), folder / "model")
    return replace(parts, model=model, config=configured(threshold=0.3))


def make(parts, board: Board, compiler: str, out: Path) -> Image:
    return build(board, compiler, parts.app_dir, parts.features, parts.model, parts.config, out)


@pytest.fixture(scope="module")
def native_console(parts, tones: np.ndarray, configured, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("native")
    board = load_board("host")
    program = make(compiled(parts, board, folder, configured), board, "zig", folder).elf
    done = subprocess.run([program], input=tones.astype("<i2").tobytes(), capture_output=True, check=True, timeout=60)
    console = done.stdout.decode()
    assert console.count("scores ") == len(tones) // 3200
    assert len({line.split(" ", 2)[2] for line in console.splitlines() if line.startswith("scores")}) > 5
    return console


@pytest.mark.parametrize("compiler", COMPILERS)
def test_the_virtual_board_hears_what_the_native_program_hears(
    parts, tones: np.ndarray, native_console: str, configured, tmp_path: Path, compiler: str
) -> None:
    pytest.importorskip("unicorn", reason="needs the virtual board (extra `sim`)")
    from tinyml.sim import simulate

    board = load_board("nrf52840")
    image = make(compiled(parts, board, tmp_path, configured), board, compiler, tmp_path)
    result = simulate(board, image.elf, microphone=tones)
    assert result.fault is None and result.lost_samples == 0
    assert result.console.startswith(native_console)
    assert set(result.layers) and result.invocations >= len(tones) // 3200


@pytest.mark.skipif(shutil.which("qemu-system-arm") is None, reason="qemu-system-arm is not installed")
@pytest.mark.parametrize("compiler", COMPILERS)
def test_qemu_hears_what_the_native_program_hears(
    parts, tones: np.ndarray, native_console: str, configured, tmp_path: Path, compiler: str
) -> None:
    board = load_board("mps2_an386", [BOARDS])
    app = tmp_path / "app"
    shutil.copytree(parts.app_dir, app)
    values = ", ".join(map(str, tones.tolist()))
    (app / "pcm.c").write_text(
        "#include <stdint.h>\nextern const int16_t test_pcm[];\nextern const uint32_t test_pcm_samples;\n"
        f"const int16_t test_pcm[] = {{{values}}};\nconst uint32_t test_pcm_samples = {len(tones)}u;\n"
    )
    image = make(replace(compiled(parts, board, tmp_path, configured), app_dir=app), board, compiler, tmp_path)
    done = subprocess.run(
        ["qemu-system-arm", "-M", "mps2-an386", "-nographic", "-monitor", "none", "-serial", "stdio",
         "-semihosting-config", "enable=on,target=native", "-kernel", str(image.elf)],
        capture_output=True, check=False, timeout=120, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout.decode()[-300:] + done.stderr.decode()
    assert done.stdout.decode() == native_console
