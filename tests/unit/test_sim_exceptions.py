"""Which exception comes next, and when events happen."""

from __future__ import annotations

import pytest

from tinyml.sim.events import NEVER, EventQueue
from tinyml.sim.exceptions import HARD_FAULT, IDLE_PRIORITY, PENDSV, SYSTICK, ExceptionState, Masks

UART, RTC, PDM = 18, 33, 45


def state(**priorities: int) -> ExceptionState:
    numbers = {"uart": UART, "rtc": RTC, "pdm": PDM, "pendsv": PENDSV, "systick": SYSTICK}
    made = ExceptionState(priorities={numbers[name]: value for name, value in priorities.items()})
    made.enabled = {UART, RTC, PDM}
    return made


def test_the_most_urgent_comes_first_and_ties_go_to_the_lower_number() -> None:
    s = state(uart=0x60, rtc=0x40, pdm=0x40)
    s.pending |= {UART, PDM, RTC}
    assert s.next(Masks()) == RTC
    s.begin(RTC)
    assert s.next(Masks()) is None  # equal priority does not preempt
    s.end(RTC)
    assert s.next(Masks()) == PDM


def test_preemption_needs_a_more_urgent_group() -> None:
    s = state(uart=0x60, rtc=0x40, pdm=0x20)
    s.pending.add(UART)
    s.begin(UART)
    s.pending.add(RTC)
    assert s.next(Masks()) == RTC
    s.group_bits = 6  # priorities 0x60 and 0x40 are now one group
    assert s.next(Masks()) is None
    s.pending.add(HARD_FAULT)
    assert s.next(Masks()) == HARD_FAULT


@pytest.mark.parametrize(
    ("masks", "expected"),
    [(Masks(), PDM), (Masks(primask=1), None), (Masks(basepri=0x40), PDM), (Masks(basepri=0x20), None),
     (Masks(faultmask=1), None)],
)  # fmt: skip
def test_masks(masks: Masks, expected: int | None) -> None:
    s = state(pdm=0x20)
    assert s.execution_priority(Masks()) == IDLE_PRIORITY
    s.pending.add(PDM)
    assert s.next(masks) == expected
    assert s.anything_ready


def test_wfi_wakes_under_primask_but_not_under_basepri_or_when_disabled() -> None:
    s = state(pdm=0x20)
    s.pending.add(PDM)
    assert s.wakes(Masks(primask=1))
    assert not s.wakes(Masks(basepri=0x20))
    s.enabled.discard(PDM)
    assert not s.wakes(Masks()) and not s.anything_ready


def test_a_line_that_stays_high_is_served_again() -> None:
    s = state(rtc=0x20)
    s.set_line(RTC, True)
    s.begin(RTC)
    s.set_line(RTC, True)  # no edge
    assert RTC not in s.pending
    s.end(RTC)
    assert s.next(Masks()) == RTC
    s.begin(RTC)
    s.set_line(RTC, False)
    s.end(RTC)
    assert s.next(Masks()) is None


def test_events_run_in_order_of_time_and_then_of_scheduling() -> None:
    queue, seen = EventQueue(), []
    queue.at(20, lambda: seen.append("late"))
    queue.at(10, lambda: seen.append("first"))
    queue.at(10, lambda: (seen.append("second"), queue.at(10, lambda: seen.append("third"))))
    queue.at(15, lambda: seen.append("never")).cancel()
    assert queue.next_cycle == 10
    queue.run_due(10)
    assert seen == ["first", "second", "third"] and queue.next_cycle == 20
    queue.run_due(30)
    assert seen[-1] == "late" and queue.next_cycle == NEVER
