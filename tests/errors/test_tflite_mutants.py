"""300 damaged TFLite files: an error, or where the file is still a model, LiteRT's output. Never a crash or a hang."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("ai_edge_litert")
pytest.importorskip("flatbuffers")

from tests.errors.tflite_judge import Judge, data_spans, small_model  # noqa: E402

NETWORKS = {"mlperf_kws": 50, "mlperf_sww": 50, "mlperf_ad": 20, "mcunet_vww": 20}


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    judge = Judge(small_model())
    yield judge
    judge.close()


def test_the_small_model_itself_is_imported_exactly(judge: Judge) -> None:
    assert judge.verdict(small_model()) == "equal"


def test_damaged_small_models(judge: Judge) -> None:
    model = small_model()
    found = judge.judge(model, range(160), "small", data_spans(model))
    assert not found.failures, "\n".join(found.failures)
    assert found.counts["refused"] > 40
    assert found.counts["equal"] > 10, "hardly any mutant was a model: the comparison says nothing"


@pytest.mark.shared
@pytest.mark.parametrize("name", NETWORKS)
def test_damaged_networks(judge: Judge, shared_dir: Path, name: str) -> None:
    model = (shared_dir / "models" / f"{name}.tflite").read_bytes()
    found = judge.judge(model, range(1000, 1000 + NETWORKS[name]), name, data_spans(model))
    assert not found.failures, "\n".join(found.failures)
