"""The wheel, installed in an empty environment outside the checkout, goes from words to a word heard."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


def run(*command: object, cwd: Path) -> str:
    clean = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run([str(c) for c in command], cwd=cwd, env=clean, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


@pytest.mark.timeout(1800)
def test_the_wheel_alone_reaches_the_virtual_board(tmp_path: Path, repository: Path) -> None:
    run(sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-w", tmp_path, repository,
        cwd=tmp_path)  # fmt: skip
    (wheel,) = tmp_path.glob("tinyml-*.whl")
    run(sys.executable, "-m", "venv", tmp_path / "env", cwd=tmp_path)
    binaries = tmp_path / "env" / ("Scripts" if os.name == "nt" else "bin")
    constraints = repository / "constraints.txt"
    pip = (binaries / "python", "-m", "pip", "install", "--quiet", "--constraint", constraints)
    run(*pip, "torch", cwd=tmp_path)
    run(*pip, f"{wheel}[train,sim,speech]", cwd=tmp_path)
    run(binaries / "tinyml", "new", "kws", "--board", "nrf52840", "--words", "yes,no", cwd=tmp_path)
    config = tmp_path / "kws" / "tinyml.toml"
    shorter = config.read_text().replace('sources = ["synth"]', 'sources = ["synth"]\nclips = 1500')
    config.write_text(shorter.replace("steps = 900", "steps = 250"))
    result = json.loads(run(binaries / "tinyml", "deploy", "--to", "virtual", "--json", cwd=tmp_path / "kws"))
    assert result["run"]["fault"] is None
    assert result["evaluation"]["int8_accuracy"] > 0.6
    assert result["run"]["heard"]["hits"] > result["run"]["heard"]["false_accepts"]
    assert Path(result["report"]).is_file()
