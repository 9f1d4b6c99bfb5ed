"""The image that would be flashed, on the virtual nRF52840: console, LED, lost audio, time and fault reports."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tinyml.board import load_board
from tinyml.firmware import Image, build

pytest.importorskip("unicorn", reason="needs the virtual board (extra `sim`)")
from tinyml.sim import SimResult, simulate  # noqa: E402

BOARD = load_board("nrf52840")
LED_PIN, LED_ON = 13, 0
COMPILERS = [
    "zig",
    pytest.param("gcc", marks=pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="no arm gcc")),
]


def make(parts, out: Path, compiler: str = "zig", **changes: object) -> Image:
    p = replace(parts, **changes)
    return build(BOARD, compiler, p.app_dir, p.features, p.model, p.config, out)


def run(image: Image, pcm: np.ndarray | None = None, seconds: float | None = None) -> SimResult:
    return simulate(BOARD, image.elf, microphone=pcm, seconds=seconds)


@pytest.mark.parametrize("compiler", COMPILERS)
def test_console_equals_the_reference(
    parts, tones: np.ndarray, expected_console: str, tmp_path: Path, compiler: str
) -> None:
    result = run(make(parts, tmp_path, compiler), tones)
    assert result.fault is None and result.lost_samples == 0 and result.missed_deadlines == 0
    assert result.console.startswith(expected_console)
    assert 0.005 < result.duty < 0.2 and result.stack_high_water_bytes < 2048


def test_the_led_is_lit_for_each_detection(parts, tones: np.ndarray, expected_console: str, tmp_path: Path) -> None:
    result = run(make(parts, tmp_path), tones)
    levels = [(cycle / BOARD.cpu_hz, level) for cycle, pin, level in result.gpio if pin == LED_PIN]
    assert [level for _, level in levels] == [1, 0, 1, 0, 1]
    recording = next(cycle for cycle, pin, _ in result.gpio if pin == 30) / BOARD.cpu_hz
    said = [int(line.split("t_ms=")[1]) / 1000 for line in expected_console.splitlines() if "detect" in line]
    lit = [t - recording for t, level in levels if level == LED_ON]
    assert lit == pytest.approx(said, abs=0.02)
    dark = [t - recording for t, level in levels[2::2]]
    assert np.array(dark) - lit == pytest.approx([0.2, 0.2], abs=0.02)


def slow_network(parts, folder: Path, milliseconds: int):
    """The stand-in network, made to take longer by counting."""
    shutil.copytree(parts.model.include_dir, folder)
    source = folder / "m.c"
    delay = f"for (volatile int32_t i = 0; i < {milliseconds * 64000 // 8}; i++) {{ }}"
    head = "void m_invoke(void *arena) {"
    source.write_text(source.read_text().replace(head, f"{head} {delay}"))
    return replace(parts.model, sources=(source,), include_dir=folder)


def test_an_inference_of_several_hops_loses_nothing(
    parts, tones: np.ndarray, expected_console: str, tmp_path: Path
) -> None:
    result = run(make(parts, tmp_path, model=slow_network(parts, tmp_path / "m", 80)), tones)
    assert 4 * 20 / 200 < result.active_cycles / result.cycles < 0.75, "the delay lasts some hops"
    assert result.lost_samples == 0 and result.console.startswith(expected_console)


def test_lost_audio_is_counted_and_reported(parts, tones: np.ndarray, tmp_path: Path) -> None:
    result = run(make(parts, tmp_path, model=slow_network(parts, tmp_path / "m", 300)), tones)
    assert result.fault is None
    assert result.lost_samples > 3200 and result.lost_samples % 320 == 0 and result.missed_deadlines > 0
    lines = [line for line in result.console.splitlines() if line.startswith("lost samples=")]
    counts = [int(line.split("=")[1].split()[0]) for line in lines]
    assert counts == sorted(set(counts)) and counts[-1] >= 3200 and counts[0] % 320 == 0


def test_long_lines_wait_for_the_console(parts, tones: np.ndarray, tmp_path: Path, configured: Callable) -> None:
    """At one inference per hop the console cannot keep up; it delays the program and loses no text."""
    config = configured(hops_per_inference=1)
    result = run(make(parts, tmp_path, config=config), tones[:8000])
    lines = result.console.splitlines()[1:]
    assert result.fault is None and len(lines) >= 25
    assert all(line.startswith(("scores t_ms=", "lost samples=")) and " t_ms=" in line for line in lines[:-1])


MAIN = """#include "hal.h"
#include "text.h"
#include "cortex_m.h"
#include "nrf52840.h"
static void say(uint32_t value) {{
    char data[16];
    tm_text line;
    tm_text_begin(&line, data, sizeof data);
    tm_text_unsigned(&line, value);
    tm_text_string(&line, "\\n");
    hal_console_write(data, line.length);
}}
{functions}
int main(void) {{
    hal_init();
    say(0);
    {body}
    for (;;) {{
        hal_sleep();
    }}
}}
"""


def probe(parts, folder: Path, body: str, functions: str = "", *, seconds: float = 1.0) -> SimResult:
    """Run a program of a few lines."""
    app = folder / "app"
    app.mkdir()
    (app / "main.c").write_text(MAIN.format(body=body, functions=functions))
    return run(make(parts, folder, app_dir=app), seconds=seconds)


def test_time_goes_on_when_the_counter_wraps(parts, tmp_path: Path) -> None:
    """After its half turn at 256 s, TASKS_TRIGOVRFLW sets the counter to 16 ticks before its overflow at 512 s."""
    body = """
    while (hal_time_ms() < 256000u) { hal_sleep(); }
    say(hal_time_ms());
    REGISTER(0x4001100Cu) = 1;
    uint32_t last = hal_time_ms();
    for (uint32_t i = 0; i < 3000; i++) {
        uint32_t primask = i % 3u == 0u ? irq_disable() : 2u; /* the interrupt may be late */
        for (volatile uint32_t wait = 0; wait < 5; wait++) { }
        uint32_t now = hal_time_ms();
        if (primask != 2u) { irq_restore(primask); }
        if (now < last) { say(1000000000u); }
        last = now;
    }
    say(last);
    """
    result = probe(parts, tmp_path, body, seconds=260)
    values = [int(v) for v in result.console.split()]
    assert result.fault is None and len(values) == 3
    assert values[1] == 256_000 and 512_000 <= values[2] < 512_100


def test_time_is_in_milliseconds(parts, tmp_path: Path) -> None:
    body = "while (hal_time_ms() < 250u) { } say(hal_time_ms()); hal_led_set(true);"
    result = probe(parts, tmp_path, body)
    lit = next(cycle for cycle, pin, level in result.gpio if (pin, level) == (LED_PIN, LED_ON)) / BOARD.cpu_hz
    ready = next(cycle for cycle, pin, _ in result.gpio if pin == LED_PIN) / BOARD.cpu_hz
    assert result.console == "0\n250\n" and lit - ready == pytest.approx(0.25, abs=0.001)


@pytest.mark.parametrize(
    ("body", "functions", "kind", "report"),
    [
        ("*(volatile uint32_t *)0x60000000u = 1;", "", "bus error", r"kind=bus pc=0x\w+ address=0x60000000"),
        ('__asm__ volatile("udf #0");', "", "usage fault", r"kind=usage pc=0x\w+"),
        ("REGISTER(NVIC_ISER) = 1u << 6; REGISTER(0xE000E200u) = 1u << 6;", "", None, "kind=unexpected_interrupt"),
        ("say(deep(1));", "__attribute__((noinline)) static uint32_t deep(uint32_t n) {\n"
         "    volatile uint32_t room[64];\n    room[n % 64u] = n;\n"
         "    return n == 0u ? 0u : deep(n + 1u) + room[(n + 1u) % 64u];\n}", "stack", "stack=overflow"),
    ],
)  # fmt: skip
def test_faults_are_reported_on_the_console(
    parts, tmp_path: Path, body: str, functions: str, kind: str | None, report: str
) -> None:
    result = probe(parts, tmp_path, body, functions)
    line = next((line for line in result.console.splitlines() if line.startswith("fault ")), "")
    assert re.search(report, line), result.console
    if kind is not None:
        assert result.fault is not None and kind in result.fault.kind
        assert Path(result.fault.file or "").name == "main.c"
