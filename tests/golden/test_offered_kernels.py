"""Every variant that an operator offers, not only the fastest, against the reference: kernels take others' layers."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import bare_board
import numpy as np
import pytest
from case_graph import CaseGraph

from tinyml.bench.variant_layers import spread
from tinyml.board import Isa
from tinyml.compiler import HostModel
from tinyml.compiler.compile import compile_schedule
from tinyml.compiler.schedule import fixed_schedule
from tinyml.ir.op import Case, Variant, operators
from tinyml.ir.tensor import Const

ISA = bare_board.cortex_m4().isa
ON_BOARD = 3  # cases of every variant
SMALL = 2000  # bytes of an input


def offered(case: Case, isa: Isa) -> list[Variant]:
    """The variants of a case that hold its constants."""
    constants = [v for v in case.inputs if isinstance(v, Const)]
    admits = getattr(case.op, "admits", lambda *_: True)
    return [v for v in case.op.variants(isa, *case.input_types) if admits(v, case.input_types, *constants)]


def every_variant(candidates: Iterable[Case], most: int) -> tuple[CaseGraph, dict[str, Variant]]:
    """The cases, once for each of their variants, at most `most` times for a variant's name."""
    cases, variants, used = [], {}, {}
    for case in candidates:
        for variant in offered(case, ISA):
            used[variant.name] = used.get(variant.name, 0) + 1
            if used[variant.name] <= most:
                again = Case(f"n{len(cases)}", case.op, case.inputs, case.input_types)
                cases.append(again)
                variants[again.name] = variant
    return CaseGraph.of(cases), variants


def check(variants: dict[str, Variant], answers: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    wrong = {variants[name].name for name, value in expected.items() if not np.array_equal(answers[name], value)}
    assert not wrong


WITH_CHOICES = sorted(
    name for name, kind in operators().items() if any(len(offered(case, ISA)) > 1 for case in kind.cases())
)


@pytest.mark.parametrize("name", WITH_CHOICES)
def test_every_offered_variant_is_exact_on_the_host(name: str) -> None:
    """The layers that costs are measured on are among the cases."""
    small = [c for c in spread() if c.op.ir_name == name and c.input_types[0].size_bytes < SMALL]
    cases, variants = every_variant([*operators()[name].cases(), *small], 10_000)
    planned = fixed_schedule(cases.graph, ISA, variants, guard_bytes=16)
    model = HostModel(compile_schedule(cases.graph, ISA, planned, guard_bytes=16))
    answers = dict(zip(cases.graph.outputs, model.invoke(*cases.data), strict=True))
    check(variants, answers, cases.reference())


@pytest.mark.parametrize("name", WITH_CHOICES)
def test_every_offered_variant_is_exact_on_the_board(name: str, tmp_path: Path) -> None:
    cases, variants = every_variant(operators()[name].cases(), ON_BOARD)
    planned = fixed_schedule(cases.graph, ISA, variants, guard_bytes=16)
    compiled = compile_schedule(cases.graph, ISA, planned, guard_bytes=16)
    elf = bare_board.build(compiled, "zig", tmp_path)
    answers = bare_board.run(compiled, elf, cases.graph, cases.data)
    check(variants, answers, cases.reference())
