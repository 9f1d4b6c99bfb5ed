"""Every operator's C against its Python reference, bit for bit: host, virtual Cortex-M4, and cores of other kinds."""

from __future__ import annotations

import numpy as np
import pytest
from case_graph import all_cases
from conftest import BOARD_TARGETS, CORE_TARGETS, HOST_TARGETS

from tinyml.ir.text import from_text, to_text

NAMES = [case.name for case in all_cases()]


@pytest.mark.parametrize("target", HOST_TARGETS + BOARD_TARGETS)
@pytest.mark.parametrize("name", NAMES)
def test_c_equals_reference(name: str, target: str, expected, answers) -> None:
    np.testing.assert_array_equal(answers[target][name], expected[name])


@pytest.mark.parametrize("target", CORE_TARGETS)
def test_other_cores_equal_reference(target: str, expected, answers) -> None:
    """Cortex-M7 and M33 with the SIMD kernels, Cortex-M0+ and RISC-V with the portable ones."""
    found = answers[target]
    wrong = [name for name in NAMES if not np.array_equal(found[name], expected[name])]
    assert not wrong


def test_cases_use_the_whole_of_int8(expected) -> None:
    seen = np.unique(np.concatenate([a.ravel() for a in expected.values()]))
    assert len(seen) == 256


def test_no_case_is_left_out(cases) -> None:
    assert len(cases.graph.nodes) == len(NAMES) > 200


def test_attributes_survive_the_text_form(cases) -> None:
    text = to_text(cases.graph)
    again = from_text(text)
    assert again.nodes == cases.graph.nodes
    assert to_text(again) == text
