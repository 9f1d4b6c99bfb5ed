"""150 random networks: exact against LiteRT in every build of both compilers, whole and by rows, within their plan."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("ai_edge_litert")
pytest.importorskip("flatbuffers")

from tests.network_checks import check_all_builds  # noqa: E402

from tinyml.errors import MissingToolError  # noqa: E402


@pytest.mark.parametrize("seed", range(1000, 1150))
def test_a_random_network_is_exact(seed: int, tmp_path: Path) -> None:
    try:
        check_all_builds(seed, tmp_path)
    except MissingToolError as error:
        pytest.skip(error.message)
