"""The figures of a virtual run, as a person reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tinyml.cli.output import log, out, print_table
from tinyml.errors import DeviceError

if TYPE_CHECKING:
    from tinyml.evaluate.stream import VirtualRun


def print_console(run: VirtualRun) -> None:
    """What the board's console printed, beside what was spoken."""
    log.print("[dim]console of the virtual board[/]")
    out.print(run.result.console.rstrip("\n"), markup=False)
    log.print()


def check_fault(run: VirtualRun) -> None:
    """Raises: DeviceError when the firmware failed on the virtual board."""
    fault = run.result.fault
    if fault:
        place = f"{fault.function} ({fault.file}:{fault.line})"
        raise DeviceError(f"the firmware failed on the virtual board: {fault.message}",
                          details=[f"at {place}", *map(str, fault.backtrace)])  # fmt: skip


def print_simulation(run: VirtualRun) -> None:
    """RAM, flash, cycles, duty, and how well the words were heard."""
    r = run.result
    if run.heard:
        total = run.heard.hits + run.heard.misses
        out.print(f"heard     {run.heard.hits} of {total} words, {run.heard.false_accepts} false accepts")
    out.print(f"RAM       {r.ram_static_bytes:,} bytes static, "
              f"{r.stack_high_water_bytes:,} of {r.stack_bytes:,} bytes of stack used")  # fmt: skip
    out.print(f"flash     {r.flash_bytes:,} bytes")
    per_inference = sum(r.layers.values())
    out.print(f"inference {per_inference:,} cycles, {r.invocations} run in {r.seconds:.1f} s of audio")
    out.print(f"duty      {r.duty:.1%} (with the board's time factor), missed deadlines {r.missed_deadlines}, "
              f"lost samples {r.lost_samples}")  # fmt: skip
    print_misses(run)
    out.print(f"simulated at {r.mips:.0f} MIPS; trace {r.trace_sha256[:16]}")


def print_misses(run: VirtualRun) -> None:
    """Where the processor was when the microphone's data was lost, the first few times."""
    for miss in run.result.misses[:3]:
        log.print(f"[bold yellow]warning:[/] missed audio deadline at cycle {miss.cycle:,}: "
                  f"{miss.lost_samples} samples lost in {miss.place}")  # fmt: skip


def print_layers(run: VirtualRun) -> None:
    """Cycles of one call of each layer, the kernels it calls included."""
    print_table("", ["layer", "cycles"], [[name, round(n)] for name, n in run.result.layers.items()])
    out.print()


def print_hot_spots(run: VirtualRun, count: int = 10) -> None:
    """The functions that take most cycles."""
    total = sum(run.result.functions.values())
    top = sorted(run.result.functions.items(), key=lambda item: -item[1])[:count]
    print_table("", ["function", "cycles", "share"], [[name, n, f"{n / total:.1%}"] for name, n in top])
