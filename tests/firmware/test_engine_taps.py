"""Six networks that keep every tensor: on host and Cortex-M4 each is the integer reference's, and LiteRT's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("ai_edge_litert")

from tests import engine_taps  # noqa: E402
from tests.engine_taps import BOARD_TARGETS, HOST_TARGETS, check  # noqa: E402
from tests.litert_oracle import NETWORKS  # noqa: E402

from tinyml.errors import MissingToolError  # noqa: E402

INPUTS, BOARD_INPUTS = 10, 3


@pytest.mark.shared
@pytest.mark.parametrize("target", (*HOST_TARGETS, *BOARD_TARGETS))
@pytest.mark.parametrize("name", NETWORKS)
def test_every_tensor_is_exact(name: str, target: str, shared_dir: Path, tmp_path: Path) -> None:
    path = shared_dir / "models" / f"{name}.tflite"
    try:
        check(path, target, INPUTS if target in HOST_TARGETS else BOARD_INPUTS, tmp_path, of=INPUTS)
    except MissingToolError as error:
        pytest.skip(error.message)


@pytest.mark.shared
@pytest.mark.parametrize("target", ["host_dsp", "m4_zig"])
def test_one_wrong_element_is_found(
    target: str, shared_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, true = shared_dir / "models" / "mlperf_ad.tflite", engine_taps.interpret

    def wrong(*args: object, **keep: bool) -> dict[str, np.ndarray]:
        values = true(*args, **keep)
        inner = sorted(values)[len(values) // 2]
        return values | {inner: values[inner] ^ (np.arange(values[inner].size) == 3).reshape(values[inner].shape)}

    monkeypatch.setattr(engine_taps, "interpret", wrong)
    engine_taps.wanted.cache_clear()
    with pytest.raises(AssertionError, match="input 0"):
        check(path, target, 1, tmp_path)
    engine_taps.wanted.cache_clear()
