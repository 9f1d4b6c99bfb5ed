"""Run a firmware image on the virtual board and measure it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from tinyml.board import Board
from tinyml.errors import ProjectError
from tinyml.sim import memory, profile
from tinyml.sim.board_machine import VirtualBoard
from tinyml.sim.elf import Image, Place
from tinyml.sim.fault_unit import Trouble
from tinyml.sim.faults import Fault, MissedDeadline
from tinyml.sim.peripherals.pdm import Microphone
from tinyml.sim.processor import Halt
from tinyml.sim.result import SimResult
from tinyml.sim.unwind import backtrace

HANDLER_SECONDS = 0.02  # how long the firmware's fault handler may go on, to print its report
TAIL_SECONDS = 0.3  # how long the run goes on when the microphone's sound is over
PATIENCE_SECONDS = 5.0  # how long sound may wait for the firmware to start the microphone
KEPT_MISSES = 16


class _Run:
    """One run: listens to the board and keeps what it says."""

    def __init__(self, board: Board, image: Image, layers: Mapping[str, int]) -> None:
        self.image = image
        self.layers, self.calls_per_inference = profile.layer_functions(image, layers), layers
        invoke = image.symbols.get("m_invoke")
        self.machine = VirtualBoard(
            board,
            layers={f.address: number for number, f in enumerate(self.layers, start=1)},
            counted=None if invoke is None else invoke & ~1,
        )
        self.fault: Fault | None = None
        self.misses: list[MissedDeadline] = []
        self.overwritten_samples = 0
        self.missed = 0
        self._dropped_seen = 0
        self.end_cycle = 0
        self.machine.processor.faults.on_trouble = self._on_trouble
        self.machine.on_missed_buffer = self._on_overwritten
        self.machine.pdm.on_buffer = self._on_buffer

    def place_and_callers(self, pc: int, registers_at: int) -> tuple[Place, tuple[Place, ...]]:
        """The place of `pc`, and who called; the registers are those at another instruction not far from it."""
        registers = {i: self.machine[f"r{i}"] for i in range(13)}
        registers |= {13: self.machine["sp"], 14: self.machine["lr"], 15: registers_at}

        def word(address: int) -> int:
            return int.from_bytes(self.machine.peek(address, 4), "little")

        same = self.image.function_at(registers_at) == self.image.function_at(pc)
        return self.image.place(pc), backtrace(self.image, word, registers) if same else ()

    def _on_trouble(self, trouble: Trouble) -> None:
        if self.fault is not None:
            return
        place, callers = self.place_and_callers(trouble.pc, trouble.registers_at)
        self.fault = Fault(
            trouble.kind, trouble.message, trouble.pc, place.function, place.file, place.line, callers
        )  # fmt: skip
        grace = self.machine.now + round(HANDLER_SECONDS * self.machine.cpu_hz)
        self.end_cycle = min(self.end_cycle, grace)

    def _miss(self, samples: int) -> None:
        self.missed += 1
        if len(self.misses) < KEPT_MISSES:
            pc = self.machine["pc"]
            place, callers = self.place_and_callers(pc, pc)
            self.misses.append(MissedDeadline(self.machine.now, samples, place, callers))

    def _on_overwritten(self, samples: int) -> None:
        self.overwritten_samples += samples
        self._miss(samples)

    def dropped_samples(self) -> int:
        """What the firmware itself counted as lost."""
        address = self.image.symbols.get("tm_lost_samples")
        return 0 if address is None else int.from_bytes(self.machine.peek(address, 4), "little")

    def _on_buffer(self) -> None:
        """Every time the microphone has filled a buffer: has the firmware dropped one since?"""
        dropped = self.dropped_samples()
        if dropped > self._dropped_seen:
            self._miss(dropped - self._dropped_seen)
        self._dropped_seen = dropped


def _until_silence(run: _Run, samples: int, rate_hz: int) -> None:
    """Run until the sound has been heard and `TAIL_SECONDS` more; the microphone may start late."""
    machine = run.machine
    hz = machine.cpu_hz
    run.end_cycle = round((samples / rate_hz + TAIL_SECONDS + PATIENCE_SECONDS) * hz)
    step = round(0.05 * hz)
    while machine.now < run.end_cycle and machine.pdm.first_start is None:
        if machine.run(min(run.end_cycle, machine.now + step)) is not Halt.DEADLINE:
            return
    if machine.pdm.first_start is not None:
        last = machine.pdm.first_start + round((samples / rate_hz + TAIL_SECONDS) * hz)
        run.end_cycle = last if run.fault is None else min(run.end_cycle, last)
    _until_end(run)


def _until_end(run: _Run) -> None:
    while run.machine.now < run.end_cycle:
        if run.machine.run(run.end_cycle) is not Halt.DEADLINE:
            return


def simulate(
    board: Board, elf: Path, *, microphone: np.ndarray | None = None, seconds: float | None = None,
    profile: bool = True, layers: Mapping[str, int] | None = None, hang_seconds: float = 5.0,
) -> SimResult:  # fmt: skip
    """Run the image from reset.

    microphone: int16[n] at the board's microphone rate; sample 0 is the first that the firmware records, silence
        follows the last.
    seconds: virtual time from reset; None: until the sound is over and 0.3 s more (1 s without sound).
    profile: whether `functions` and `layers` are filled.
    layers: functions to measure and how often one inference calls each; default all `m_layer_NN_*`, once.
    hang_seconds: longest time awake without a sleep or a write to a peripheral from the main program.
    Raises: ProjectError (no such board, no firmware image), MissingToolError (extra or native hook).
    """
    started = time.perf_counter()
    run = _Run(board, Image(elf), layers or {})
    stack = _play(run, board, _checked(microphone), seconds, hang_seconds)
    return _result(run, board, stack, time.perf_counter() - started, profile)


def _play(
    run: _Run, board: Board, sound: np.ndarray, seconds: float | None, hang_seconds: float
) -> memory.Stack:  # fmt: skip
    machine, image = run.machine, run.image
    machine.processor.hang_cycles = round(hang_seconds * machine.cpu_hz)
    rate_hz = int(board.features.get("microphone", {}).get("rate_hz", 16000))
    machine.pdm.microphone = Microphone(sound, rate_hz)
    machine.program(image)
    stack = memory.stack_of(image, board)
    memory.paint(machine, stack)
    if stack.limited:
        machine.hook.state.stack_limit, machine.hook.state.stack_top = stack.limit, stack.top
    machine.reset()
    if seconds is None and len(sound):
        _until_silence(run, len(sound), rate_hz)
    else:
        run.end_cycle = round((1.0 if seconds is None else seconds) * machine.cpu_hz)
        _until_end(run)
    return stack


def _checked(microphone: np.ndarray | None) -> np.ndarray:
    if microphone is None:
        return np.zeros(0, np.int16)
    sound = np.asarray(microphone)
    if sound.dtype != np.int16 or sound.ndim != 1:
        raise ProjectError(f"the virtual microphone takes int16[n], not {sound.dtype} of shape {sound.shape}")
    return sound


def _result(run: _Run, board: Board, stack: memory.Stack, host_seconds: float, profiled: bool) -> SimResult:
    machine, hook = run.machine, run.machine.hook
    processor = machine.processor
    elapsed = machine.now
    dropped = run.dropped_samples()
    run._on_buffer()
    seconds = elapsed / machine.cpu_hz
    return SimResult(
        console=machine.trace.console_text,
        cycles=elapsed,
        instructions=hook.state.instructions,
        active_cycles=processor.active_cycles,
        duty=processor.active_cycles * board.time_factor / elapsed if elapsed else 0.0,
        seconds=seconds,
        host_seconds=host_seconds,
        mips=hook.state.instructions / host_seconds / 1e6,
        trace_sha256=machine.trace.sha256,
        stack_high_water_bytes=memory.high_water_bytes(machine, stack),
        stack_bytes=stack.size_bytes,
        ram_static_bytes=memory.ram_static_bytes(run.image, board, stack),
        flash_bytes=memory.flash_bytes(run.image),
        functions=profile.function_cycles(run.image, hook, processor.skipped_cycles, processor.exception_cycles)
        if profiled
        else {},
        layers=profile.layer_cycles(run.layers, hook, run.calls_per_inference) if profiled else {},
        invocations=hook.state.counted,
        gpio=tuple(machine.trace.gpio),
        lost_samples=run.overwritten_samples + dropped,
        missed_deadlines=run.missed,
        fault=run.fault,
        misses=tuple(run.misses),
    )
