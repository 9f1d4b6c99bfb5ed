"""Damaged ONNX files: an error for users, or close to the output that onnxruntime computes; never a crash or a hang."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from tests.errors.mutants import mutant  # noqa: E402
from tests.errors.onnx_judge import Judge, data_spans, rewritten, small_model  # noqa: E402


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> bytes:
    return small_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def judge(model: bytes) -> Iterator[Judge]:
    judge = Judge(model)
    yield judge
    judge.close()


def test_the_model_itself(judge: Judge, model: bytes) -> None:
    assert judge.verdict(model) == "close"


def test_damaged_files(judge: Judge, model: bytes) -> None:
    counts, failures = judge.judge(mutant(model, seed, data_spans(model)) for seed in range(160))
    assert not failures, "\n".join(failures)
    assert counts["refused"] > 40 and counts["close"] > 20, counts


def test_rewritten_files(judge: Judge, model: bytes) -> None:
    counts, failures = judge.judge(rewritten(model, seed) for seed in range(168))
    assert not failures, "\n".join(failures)
    assert counts["refused"] > 80 and counts["close"] > 10, counts


@pytest.mark.parametrize("data", [b"", b"\x00", b"\x08\x08", b"TFL3" * 20, b"{}", bytes(1000)])
def test_files_that_are_no_models(judge: Judge, data: bytes) -> None:
    assert judge.verdict(data) == "refused"
