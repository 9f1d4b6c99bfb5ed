"""Exceptions, sleep and the clocks of the processor, as a program sees them."""

from __future__ import annotations

import pytest

from tinyml.sim.timing import EXCEPTION_ENTRY_CYCLES, EXCEPTION_RETURN_CYCLES, TAIL_CHAIN_CYCLES

EXPECTED = {
    "svc": "svc=42",
    "preemption": "nested rdR",
    "tail chaining": "ordered drR",
    "primask": "primask 1d2",
    "basepri": "basepri d1rR",
    "floating point survives a handler": "fp_sum=40",
    "systick, then pendsv behind it": "systick sSP",
    "masked interrupt ends wfi": "sleep wrR",
    "rtc counts in sleep": "rtc=328",
    "cyccnt stands still in sleep": "cyccnt_small=1",
    "systick stands still in sleep": "systick_small=1",
    "sev and wfe": "event",
    "process stack": "psp_svc=37",
    "end": "done",
}


@pytest.fixture(scope="module", params=["zig", "gcc"])
def console(request: pytest.FixtureRequest, run_program) -> list[str]:
    result = run_program("exceptions", compiler=request.param, seconds=0.2)
    assert result.fault is None
    return result.console.splitlines()


@pytest.mark.parametrize("what", EXPECTED)
def test_exceptions(console: list[str], what: str) -> None:
    assert EXPECTED[what] in console


def test_the_cycle_counter_counts_table_cycles(console: list[str]) -> None:
    loop = next(int(line.split("=")[1]) for line in console if line.startswith("loop="))
    assert 1 + 100 * 1 + 99 * 3 + 1 <= loop <= 1 + 100 * 1 + 99 * 3 + 1 + 14  # the reads around it


def test_sleep_costs_no_active_cycles_and_the_rtc_keeps_time(run_program, board) -> None:
    result = run_program("hello", seconds=1.0)
    assert result.console.startswith("hello\nticks=5\ncounter=164")
    edges = [cycle for cycle, pin, _ in result.gpio if pin == 13]
    periods = {b - a for a, b in zip(edges[1:], edges[2:], strict=False)}
    assert periods <= {6400390, 6400391}  # 3277 ticks of 32768 Hz at 64 MHz
    assert result.seconds == 1.0 and result.cycles == board.cpu_hz
    assert result.active_cycles < 300_000
    assert result.duty == pytest.approx(result.active_cycles * board.time_factor / result.cycles)
    # Every ISR is entered and left on its own: no frame is shared, none is lost.
    handled = len(edges) - 1
    assert result.functions["(exceptions)"] == handled * (EXCEPTION_ENTRY_CYCLES + EXCEPTION_RETURN_CYCLES)
    assert TAIL_CHAIN_CYCLES < EXCEPTION_ENTRY_CYCLES


def test_functions_add_up_to_the_active_cycles(run_program) -> None:
    result = run_program("exceptions", seconds=0.2)
    assert sum(result.functions.values()) == result.active_cycles


def test_same_inputs_same_trace_hash(run_program) -> None:
    first, second = (run_program("hello", seconds=0.3) for _ in range(2))
    other = run_program("hello", seconds=0.5)
    assert first.trace_sha256 == second.trace_sha256 != other.trace_sha256
    assert (first.cycles, first.instructions, first.functions) == (second.cycles, second.instructions, second.functions)
