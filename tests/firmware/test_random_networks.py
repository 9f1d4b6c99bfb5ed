"""Random networks: exact against LiteRT in one build each, whole and row by row, with every access within the plan.

All proofs of many more networks: tests/slow/test_random_networks.py.
"""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("ai_edge_litert")
pytest.importorskip("flatbuffers")

from tests.network_checks import check_one_build  # noqa: E402

from tinyml.errors import MissingToolError  # noqa: E402

# One of every family; 117: biases as large as their scales are small; 168: an odd number of channels in few pixels.
SEEDS = (*range(12), 38, 117, 168)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_random_network_is_exact(seed: int, tmp_path: Path) -> None:
    try:
        check_one_build(seed, tmp_path)
    except MissingToolError as error:
        pytest.skip(error.message)
