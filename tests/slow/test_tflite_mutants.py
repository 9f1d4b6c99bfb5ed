"""2,000 damaged TFLite files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("ai_edge_litert")
pytest.importorskip("flatbuffers")

from tests.errors.tflite_judge import Judge, data_spans, small_model  # noqa: E402

NETWORKS = {"mlperf_kws": 400, "mlperf_sww": 300, "mlperf_ad": 100, "mcunet_vww": 100, "mlperf_ic": 100}


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    judge = Judge(small_model())
    yield judge
    judge.close()


def test_damaged_small_models(judge: Judge) -> None:
    model = small_model()
    found = judge.judge(model, range(10_000, 11_000), "small", data_spans(model))
    assert not found.failures, "\n".join(found.failures)


@pytest.mark.shared
@pytest.mark.parametrize("name", NETWORKS)
def test_damaged_networks(judge: Judge, shared_dir: Path, name: str) -> None:
    model = (shared_dir / "models" / f"{name}.tflite").read_bytes()
    found = judge.judge(model, range(20_000, 20_000 + NETWORKS[name]), name, data_spans(model))
    assert not found.failures, "\n".join(found.failures)
