"""The optimised build of six networks equals the integer reference on host, Cortex-M4 and M7, on 10 inputs."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.engine_targets import NETWORKS, TARGETS, check

from tinyml.errors import MissingToolError


@pytest.mark.shared
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", NETWORKS)
def test_the_product_s_build_is_exact(name: str, target: str, shared_dir: Path, tmp_path: Path) -> None:
    try:
        check(name, target, 10, shared_dir / "models", tmp_path)
    except MissingToolError as error:
        pytest.skip(error.message)
