"""Six networks: every tensor of the integer reference is LiteRT's, on edge, uniform and gaussian inputs."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("ai_edge_litert")

from tests.litert_oracle import NETWORKS, Oracle  # noqa: E402


@pytest.mark.shared
@pytest.mark.parametrize("name", NETWORKS)
def test_every_tensor_is_litert_s(shared_dir: Path, name: str) -> None:
    oracle = Oracle(shared_dir / "models" / f"{name}.tflite")
    assert len(oracle.imported.tensors) == oracle.int8_tensors() > 10
    assert oracle.differing(10) == {}
