"""The keyword template: its project file is valid, its network fits its own limits, its main.c builds and hears."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tinyml import firmware
from tinyml.architecture import read_network, weightless
from tinyml.board import load_board
from tinyml.compiler import compile_graph, write
from tinyml.compiler.cost import network_cost
from tinyml.evaluate.clips import run_host_program
from tinyml.evaluate.console import scores
from tinyml.features import LogMelSpec, write_c
from tinyml.ir.save import load
from tinyml.limits import check_needs
from tinyml.project import load_config

APP = Path(__file__).resolve().parent
NETWORK = APP.parents[1] / "tests" / "firmware" / "networks" / "digits.tir"
MOST_MACS = 1_400_000


def test_the_project_file_fits_its_board() -> None:
    config = load_config(APP)
    check_needs(config, load_board(config.board.name))
    assert config.app.template == APP.name


def test_the_network_keeps_its_budget() -> None:
    config = load_config(APP)
    found = read_network(APP / config.model.architecture)
    arch = found.architecture(len(config.labels))
    cost = network_cost(weightless.graph(arch), load_board(config.board.name).isa, rows=True)
    assert arch.macs <= MOST_MACS
    assert cost.cycles <= found.found.cycles and cost.arena_bytes <= found.found.ram_bytes


@pytest.mark.parametrize("seconds", [1.0, 2.1])
def test_the_application_judges_five_times_a_second(tmp_path: Path, seconds: float) -> None:
    graph, host, spec = load(NETWORK), load_board("host"), LogMelSpec()
    hops = 1000 // (load_config(APP).detect.inferences_per_second * spec.hop_ms)
    labels = tuple(f"class{i}" for i in range(graph.types[graph.outputs[0]].elements))
    config = firmware.AppConfig(labels=labels, threshold=0.8, smooth_windows=3, refractory_ms=500,
                                hops_per_inference=hops, window_frames=49, trace=True)  # fmt: skip
    image = firmware.build(host, "zig", APP / "firmware", write_c(spec, tmp_path / "features"),
                           write(compile_graph(graph, host.isa), tmp_path / "model"), config, tmp_path)  # fmt: skip
    noise = np.random.default_rng(0).integers(-300, 300, round(16000 * seconds)).astype(np.int16)
    lines = scores(run_host_program(image.elf, noise))
    assert [line.t_ms for line in lines] == [200 * (i + 1) for i in range(int(seconds * 5))]
    assert all(abs(sum(line.thousandths.values()) - min(3, i + 1) / 3 * 1000) < 20 for i, line in enumerate(lines))
