"""Every load and store of a network's layers on the virtual board, against what the memory plan gave them."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tinyml.board import Board
from tinyml.compiler import Compiled
from tinyml.errors import DeviceError
from tinyml.sim.board_machine import VirtualBoard
from tinyml.sim.elf import Image, Symbol
from tinyml.sim.hook import Region
from tinyml.sim.processor import Halt
from tinyml.sim.profile import layer_functions, layer_name

_CPACR, _FPU_ON = 0xE000ED88, 0xF << 20
_BKPT = b"\x00\xbe"
_LONGEST_CYCLES = 4_000_000_000
_LEAST_STACK_BYTES = 1024
_READ, _WRITTEN = 1, 2


@dataclass(frozen=True)
class Stray:
    """`layer` ("" for the code that calls the layers) read or wrote arena bytes [begin, end) that are not its own; with
    `begin` None it touched a variable at `address`."""

    layer: str
    write: bool
    begin: int | None
    end: int | None
    address: int


def check_arena_accesses(
    compiled: Compiled, elf: Path, board: Board, *, arena: str = "g_arena", pushes: int = 2, seed: int = 0
) -> tuple[Stray, ...]:
    """Run the network of `elf` once on random input (streamed: `pushes` frames); every access outside the plan.

    `elf` is any image that holds the network and, under the name `arena`, its arena. It must be compiled so that no
    load or store is predicated (see `Core.watch_accesses`). Raises: DeviceError when the run fails or leaves out
    a layer, ProjectError for a board that is not simulated.
    """
    image = Image(elf)
    layers = layer_functions(image, [layer.symbol for layer in compiled.layers])
    machine = VirtualBoard(board, layers={f.address: number for number, f in enumerate(layers, start=1)})
    touched = np.zeros((len(layers) + 1, compiled.plan.arena_bytes), np.uint8)
    run = _Run(machine, image, image.symbols[arena], board)
    region = run.watch(touched)
    run.fill(np.random.default_rng(seed).integers(0, 256, compiled.plan.arena_bytes, np.uint8).tobytes())
    if f"{compiled.prefix}_push" in image.symbols:
        run.call(f"{compiled.prefix}_reset")
        for _ in range(pushes):
            run.call(f"{compiled.prefix}_push")
    else:
        run.call(f"{compiled.prefix}_invoke")
    seen = {layer_name(f.name) for f, row in zip(layers, touched[1:], strict=True) if row.any()}
    missing = [layer.symbol for layer in compiled.layers if layer.symbol not in seen]
    if missing:
        raise DeviceError(f"{', '.join(missing)} touched nothing: the image was not built from this network")
    found = [*_strays(compiled, layers, touched, run.arena)]
    if region.strays:
        name = layer_name(layers[region.stray_layer - 1].name)
        found.append(Stray(name, True, None, None, region.stray_address))
    return tuple(found)


class _Run:
    """The machine with the image in it, its stack at the end of the arena's memory."""

    def __init__(self, machine: VirtualBoard, image: Image, arena: int, board: Board) -> None:
        self.machine, self.image, self.arena = machine, image, arena
        memory = max((m for m in board.memories if m.origin <= arena), key=lambda m: m.origin)
        self._begin, self._top = memory.origin, memory.origin + memory.length_bytes
        ends = [s.address + s.size_bytes for s in image.sections if self._begin <= s.address < self._top]
        self._free = -(-max(ends) // 8) * 8
        if self._top - self._free < _LEAST_STACK_BYTES:
            raise DeviceError(f"the image leaves no room for a stack at the end of memory `{memory.name}`")
        machine.program(image)
        machine.reset()
        machine.write(_CPACR, _FPU_ON.to_bytes(4, "little"))
        machine.debugger_attached = True

    def watch(self, touched: np.ndarray) -> Region:
        """Note accesses in `touched`, uint8 [layers + 1, arena bytes]."""
        machine = self.machine
        region = Region(
            ctypes.pointer(machine.hook.state), touched.ctypes.data, self.arena, touched.shape[1], self._free
        )
        machine.core.watch_accesses(region, self._begin, self._top - 1)
        return region

    def fill(self, data: bytes) -> None:
        self.machine.poke(self.arena, data)

    def call(self, function: str) -> None:
        """`function(arena, free memory)`. Raises: DeviceError when it does not return."""
        machine = self.machine
        machine.poke(self._free, _BKPT)
        machine["sp"], machine["lr"] = self._top & ~7, self._free | 1
        machine["r0"], machine["r1"] = self.arena, self._free + 8
        machine["pc"] = self.image.symbols[function] & ~1
        halt = machine.run(machine.now + _LONGEST_CYCLES)
        if halt is not Halt.BKPT:
            raise DeviceError(f"`{function}` failed on the virtual board: {halt.value}")


def _strays(compiled: Compiled, layers: Sequence[Symbol], touched: np.ndarray, arena: int) -> Iterator[Stray]:
    infos = {layer.symbol: layer for layer in compiled.layers}
    steps = {step.name: number for number, step in enumerate(compiled.plan.steps)}
    for row, name in enumerate(["", *(layer_name(f.name) for f in layers)]):
        allowed = _layer_may(compiled, steps[infos[name].step]) if name else _glue_may(compiled)
        for bit in (_READ, _WRITTEN):
            stray = np.flatnonzero(touched[row] & ~allowed & bit)
            for run in np.split(stray, np.flatnonzero(np.diff(stray) > 1) + 1):
                if len(run):
                    yield Stray(name, bit == _WRITTEN, int(run[0]), int(run[-1]) + 1, arena + int(run[0]))


def _layer_may(compiled: Compiled, step: int) -> np.ndarray:
    """uint8[arena bytes]: what a layer of this step may do to each byte."""
    allowed = np.zeros(compiled.plan.arena_bytes, np.uint8)
    access = compiled.plan.access(step)
    for begin, end in access.reads:
        allowed[begin:end] |= _READ
    for begin, end in access.writes:
        allowed[begin:end] |= _READ | _WRITTEN
    return allowed


def _glue_may(compiled: Compiled) -> np.ndarray:
    """What calls the layers counts rows in the scratch of chains; frames are copied to the input, pushes counted."""
    plan, allowed = compiled.plan, np.zeros(compiled.plan.arena_bytes, np.uint8)
    chains = {layer.step for layer in compiled.layers} - {layer.name for layer in compiled.layers}
    places = [plan.scratch(step) for step in chains]
    if f"{compiled.prefix}_push" in compiled.files[f"{compiled.prefix}.h"]:
        written = {name for step in plan.steps for name in step.writes if name not in step.reads}
        places += [p for p in plan.placements if p.kind != "scratch" and p.name not in written]
    for place in places:
        allowed[place.offset : place.end] = _READ | _WRITTEN
    return allowed
