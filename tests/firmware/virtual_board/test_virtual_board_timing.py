"""Cycle counts against an independent estimator of the same ELF, per layer, and the speed of the emulation."""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

LAYERS = ["m_layer_00_conv2d", "m_layer_01_depthwise", "m_layer_02_fully_connected", "m_layer_03_mixture"]


def judged(shared_dir: Path, elf: Path, out: Path, function: str) -> dict:
    """The estimator's counts for one call of `function` after reset."""
    if shutil.which("cc") is None:
        pytest.skip("the independent estimator needs a host C compiler named cc")
    tool = shared_dir / "tools" / "cyc.py"
    command = [sys.executable, str(tool), str(elf), "--run", function, "--json", str(out)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    return json.loads(out.read_text())


@pytest.mark.shared
@pytest.mark.parametrize("compiler", ["zig", "gcc"])
def test_cycles_agree_with_the_independent_estimator(
    run_program, build_program, shared_dir: Path, tmp_path: Path, compiler: str
) -> None:
    options = ["RUNS=1u"]
    judge = judged(shared_dir, build_program("network", options, compiler), tmp_path / "judge.json", "run")
    ours = run_program("network", options, compiler, seconds=0.2, layers={"run": 1})
    assert ours.layers["run"] == pytest.approx(judge["cycles"], rel=0.01)
    compared = [(name, cycles) for name, _, cycles, _ in judge["funcs"] if name.startswith(("m_", "shared_dot"))]
    assert len(compared) >= 5
    for name, cycles in compared:
        assert ours.functions[name] == pytest.approx(cycles, rel=0.01, abs=4), name


def test_a_layer_includes_its_kernels_and_no_interrupts(run_program) -> None:
    quiet = run_program("network", ["RUNS=1u"], seconds=0.2)
    busy = run_program("network", ["RUNS=20u"], seconds=0.5)
    assert list(quiet.layers) == LAYERS
    assert (quiet.invocations, busy.invocations) == (1, 20)
    assert busy.functions["PDM_IRQHandler"] > 0
    # Layers 2 and 3 do the same work every time; in 20 rounds some are interrupted, which does not show.
    own = quiet.functions
    shared = own["shared_dot"]
    assert quiet.layers["m_layer_03_mixture"] == own["m_layer_03_mixture"] > 64 * 60
    assert quiet.layers["m_layer_00_conv2d"] + quiet.layers["m_layer_02_fully_connected"] == pytest.approx(
        own["m_layer_00_conv2d"] + own["m_layer_02_fully_connected"] + shared, abs=2
    )
    assert busy.layers["m_layer_01_depthwise"] == pytest.approx(quiet.layers["m_layer_01_depthwise"], rel=0.02)
    assert sum(busy.layers.values()) * 20 < busy.active_cycles


def test_at_least_60_mips_with_everything_on(run_program) -> None:
    sound = np.random.default_rng(0).integers(-3000, 3000, 48000).astype(np.int16)
    runs = [run_program("network", microphone=sound, seconds=1.5) for _ in range(3)]
    assert all(r.instructions > 50_000_000 and r.functions and r.layers and r.fault is None for r in runs)
    assert len({r.trace_sha256 for r in runs}) == 1
    assert statistics.median(r.mips for r in runs) >= 60
