"""Six networks that keep every tensor, on 200 inputs on the host and 25 on the Cortex-M4."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("ai_edge_litert")

from tests.engine_taps import BOARD_TARGETS, HOST_TARGETS, check  # noqa: E402
from tests.litert_oracle import NETWORKS  # noqa: E402

from tinyml.errors import MissingToolError  # noqa: E402


@pytest.mark.shared
@pytest.mark.parametrize("target", (*HOST_TARGETS, *BOARD_TARGETS))
@pytest.mark.parametrize("name", NETWORKS)
def test_every_tensor_is_exact(name: str, target: str, shared_dir: Path, tmp_path: Path) -> None:
    try:
        check(shared_dir / "models" / f"{name}.tflite", target, 200 if target in HOST_TARGETS else 25, tmp_path, of=200)
    except MissingToolError as error:
        pytest.skip(error.message)
