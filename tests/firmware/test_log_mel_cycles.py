"""The front end on the virtual board: equal to the host bit for bit, and within its cycles and RAM."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("unicorn")
sys.path.insert(0, str(Path(__file__).parent))

import log_mel_board  # noqa: E402

from tinyml.features import LogMel, LogMelSpec  # noqa: E402
from tinyml.features.cost import CYCLES_PER_HOP

# The budget is 150,000 cycles; these pin what is reached, so that a change that costs shows.
CYCLES = {"zig": 38_500, "gcc": 36_000}
RAM_BYTES = 4_100  # state, scratch and stack; the budget is 8,000


def _sound(seconds: float) -> np.ndarray:
    """Loud, quiet and silent stretches of noisy chirps, which meet every shift of the block scaling."""
    rng = np.random.default_rng(7)
    t = np.arange(int(seconds * 16000)) / 16000
    level = 10.0 ** -(np.floor(t * 4) % 5)
    chirp = 28000 * np.sin(2 * np.pi * (60 * t + 400 * t**2)) + rng.normal(0, 1500, t.size)
    return np.clip(np.rint(chirp * level * (t % 3 < 2.6)), -32768, 32767).astype(np.int16)


@pytest.mark.parametrize("compiler", ["zig", "gcc"])
def test_board_equals_host_within_its_budget(compiler: str, tmp_path: Path) -> None:
    if compiler == "gcc" and shutil.which("arm-none-eabi-gcc") is None:
        pytest.skip("arm-none-eabi-gcc is not installed")
    spec, pcm = LogMelSpec(), _sound(12)
    result = log_mel_board.run(log_mel_board.build(spec, compiler, tmp_path), spec, pcm)
    assert np.array_equal(result.features, LogMel(spec).process(pcm))
    assert result.cycles_per_hop <= CYCLES[compiler] <= CYCLES_PER_HOP
    assert result.state_bytes + result.stack_bytes <= RAM_BYTES
