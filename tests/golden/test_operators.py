"""Every operator's C against its Python reference, bit for bit: host and virtual Cortex-M4, portable and SIMD."""

from __future__ import annotations

import numpy as np
import pytest
from case_graph import all_cases
from conftest import BOARD_TARGETS, HOST_TARGETS

NAMES = [case.name for case in all_cases()]


@pytest.mark.parametrize("target", HOST_TARGETS + BOARD_TARGETS)
@pytest.mark.parametrize("name", NAMES)
def test_c_equals_reference(name: str, target: str, expected, answers) -> None:
    np.testing.assert_array_equal(answers[target][name], expected[name])


def test_cases_use_the_whole_of_int8(expected) -> None:
    seen = np.unique(np.concatenate([a.ravel() for a in expected.values()]))
    assert len(seen) == 256


def test_no_case_is_left_out(cases) -> None:
    assert len(cases.graph.nodes) == len(NAMES) > 200
