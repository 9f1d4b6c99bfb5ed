"""2,000 damaged ONNX files, half of them at random, half well-formed files that say other things."""

from __future__ import annotations

import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from tests.errors.mutants import mutant  # noqa: E402
from tests.errors.onnx_judge import Judge, data_spans, rewritten, small_model  # noqa: E402


def test_damaged_and_rewritten_models(tmp_path) -> None:
    model = small_model(tmp_path)
    judge, spans = Judge(model), data_spans(model)
    try:
        _, damaged = judge.judge(mutant(model, seed, spans) for seed in range(10_000, 11_000))
        _, changed = judge.judge(rewritten(model, seed) for seed in range(10_000, 11_000))
    finally:
        judge.close()
    failures = [*damaged, *changed]
    assert not failures, "\n".join(failures)
