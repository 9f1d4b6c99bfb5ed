"""Every tensor of six networks against LiteRT on 200 inputs."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("ai_edge_litert")

from tests.litert_oracle import NETWORKS, Oracle  # noqa: E402


@pytest.mark.shared
@pytest.mark.parametrize("name", NETWORKS)
def test_every_tensor_is_litert_s_on_many_inputs(shared_dir: Path, name: str) -> None:
    assert Oracle(shared_dir / "models" / f"{name}.tflite").differing(200) == {}
