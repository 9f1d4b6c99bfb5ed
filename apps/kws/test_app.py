"""The keyword template: its project file is valid, its network fits its own limits, its main.c builds and hears."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tinyml import firmware
from tinyml.board import load_board
from tinyml.compiler import compile_graph, write
from tinyml.evaluate.clips import run_host_program
from tinyml.evaluate.console import scores
from tinyml.features import LogMelSpec, write_c
from tinyml.ir.save import load
from tinyml.limits import check_needs
from tinyml.models import build, count_macs
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
    shape = (config.features.window_frames, config.features.mel_bins)
    network = build(config.model.arch, shape, len(config.labels), width_mult=config.model.width_mult)
    assert count_macs(network, (1, *shape)) <= MOST_MACS


@pytest.mark.parametrize("seconds", [1.0, 2.1])
def test_the_application_judges_five_times_a_second(tmp_path: Path, seconds: float) -> None:
    graph, host, hops = load(NETWORK), load_board("host"), load_config(APP).hops_per_inference
    labels = tuple(f"class{i}" for i in range(graph.types[graph.outputs[0]].elements))
    config = firmware.AppConfig(labels=labels, threshold=0.8, smooth_windows=3, refractory_ms=500,
                                hops_per_inference=hops, window_frames=49, trace=True)  # fmt: skip
    image = firmware.build(host, "zig", APP / "firmware", write_c(LogMelSpec(), tmp_path / "features"),
                           write(compile_graph(graph, host.isa), tmp_path / "model"), config, tmp_path)  # fmt: skip
    noise = np.random.default_rng(0).integers(-300, 300, round(16000 * seconds)).astype(np.int16)
    lines = scores(run_host_program(image.elf, noise))
    assert [line.t_ms for line in lines] == [200 * (i + 1) for i in range(int(seconds * 5))]
    assert all(abs(sum(line.thousandths.values()) - min(3, i + 1) / 3 * 1000) < 20 for i, line in enumerate(lines))
