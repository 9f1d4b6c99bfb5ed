"""Ten minutes of real speech at changing levels: host, numpy twin and virtual board give the same features."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

pytest.importorskip("unicorn")
sys.path.insert(0, str(Path(__file__).parent))

import log_mel_board  # noqa: E402

from tinyml.features import LogMel, LogMelSpec, reference  # noqa: E402

SAMPLES = 600 * 16000


def test_ten_minutes_are_bit_identical(shared_dir: Path, tmp_path: Path) -> None:
    files = sorted((shared_dir / "data" / "negative_speech").glob("*/*.flac"))[::2]
    parts, count = [], 0
    for i, path in enumerate(files):
        pcm = soundfile.read(path, dtype="int16")[0]
        parts.append(np.rint(pcm * 10 ** (-(i % 7) * 6 / 20)).astype(np.int16))  # down to -36 dB
        count += pcm.size
        if count >= SAMPLES:
            break
    pcm = np.concatenate(parts)[:SAMPLES]
    assert pcm.size == SAMPLES
    spec = LogMelSpec()
    host = LogMel(spec).process(pcm)
    assert host.shape == (30000, 40)
    assert np.array_equal(reference.log_mel(spec, pcm), host)
    board = log_mel_board.run(log_mel_board.build(spec, "zig", tmp_path), spec, pcm)
    assert np.array_equal(board.features, host)
    print(f"{board.cycles_per_hop:.0f} cycles per hop")
