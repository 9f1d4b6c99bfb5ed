"""Console lines are parsed whole or not at all."""

from __future__ import annotations

import pytest

from tinyml.errors import DeviceError
from tinyml.evaluate.clips import judge
from tinyml.evaluate.console import Detection, Scores, console_label, detections, scores

CONSOLE = (
    "boot app=kws version=0.1.0 model=0123456789ab\n"
    "scores t_ms=200 silence=0.900 unknown=0.050 yes=0.030 no=0.020\n"
    "scores t_ms=400 silence=0.010 unknown=0.060 yes=0.900 no=0.030\r\n"
    "detect label=yes score=0.90 t_ms=400\n"
    "scores t_ms=600 silence=0.010 unkn"
)


def test_lines_are_read() -> None:
    assert detections(CONSOLE) == (Detection("yes", 0.9, 400),)
    assert scores(CONSOLE)[1] == Scores(400, {"silence": 10, "unknown": 60, "yes": 900, "no": 30})


def test_a_line_that_was_cut_off_is_left_out() -> None:
    assert [line.t_ms for line in scores(CONSOLE)] == [200, 400]


def test_the_best_word_wins_and_ties_go_to_the_first() -> None:
    assert judge(CONSOLE, ("no", "yes")).label == "yes"
    assert judge(CONSOLE, ("no", "yes")).thousandths == 900
    assert judge("scores t_ms=200 yes=0.500 no=0.500\n", ("no", "yes")).label == "no"


def test_a_console_without_scores_is_an_error() -> None:
    with pytest.raises(DeviceError, match="no scores"):
        judge("boot app=kws\n", ("yes",))


def test_labels_with_blanks() -> None:
    assert console_label("turn  on") == "turn_on"
