"""The canary of optimised builds: a network run step by step on the host, in its planned memory with all overlaps.

Before a step, every byte that holds nothing for it or for a later step is poisoned; after it, every byte outside what
the plan lets it write must be as it was. A step that writes where it should not is caught in the act; one that reads
what it should not gives other results for other poison.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tinyml.compiler.compile import Compiled
from tinyml.compiler.host_model import HostModel
from tinyml.compiler.plan import Plan
from tinyml.errors import ProjectError

_SEEDS = (1, 2)


class ArenaCanary(HostModel):
    """Runs an optimised network, not a streamed one. Not thread-safe: one arena. Picklable."""

    def __init__(self, compiled: Compiled) -> None:
        """Builds the library unless it is cached. Raises: ProjectError, MissingToolError."""
        self._original = compiled
        symbols = {layer.step: layer.symbol for layer in compiled.layers}
        if [step.name for step in compiled.plan.steps] != list(symbols):
            raise ProjectError(f"the layers of `{compiled.name}` do not run in the order of its plan: this is a bug")
        own_names = {layer.name for layer in compiled.layers}
        functions = [symbol if step in own_names else f"{compiled.prefix}_{step}" for step, symbol in symbols.items()]
        source = f"{compiled.prefix}.c"
        super().__init__(replace(
            compiled, files={**compiled.files, source: compiled.files[source] + _table_c(functions)}
        ))  # fmt: skip
        self._steps = (ctypes.CFUNCTYPE(None, ctypes.c_void_p) * len(functions)).in_dll(self._library, "tm_steps")

    def __reduce__(self) -> tuple:
        return ArenaCanary, (self._original,)

    def invoke(self, *inputs: np.ndarray) -> np.ndarray | tuple[np.ndarray, ...]:
        """As `HostModel.invoke`. Raises: ProjectError also with the name of the step that touched what it must not."""
        inputs = self._checked(inputs)
        items = [self._both_ways([x[item] for x in inputs]) for item in range(len(inputs[0]))]
        results = tuple(np.stack(parts) for parts in zip(*items, strict=True))
        return results[0] if len(results) == 1 else results

    def _both_ways(self, inputs: Sequence[np.ndarray]) -> tuple[np.ndarray, ...]:
        """One inference with each poison. The outputs."""
        first, second = (self._run(inputs, np.random.default_rng(seed)) for seed in _SEEDS)
        for step, a, b in zip(self.compiled.plan.steps, first, second, strict=True):
            if not np.array_equal(a, b):
                raise ProjectError(f"`{step.name}` read memory that holds nothing for it: this is a bug in a kernel")
        kinds = self.compiled.output_types
        return tuple(v.reshape(k.shape[1:]).copy() for v, k in zip(self._outputs, kinds, strict=True))

    def _run(self, inputs: Sequence[np.ndarray], random: np.random.Generator) -> list[np.ndarray]:
        """One inference; what each step wrote, scratch left out."""
        plan, arena = self.compiled.plan, self._arena
        for view, x in zip(self._inputs, inputs, strict=True):
            view[:] = x.ravel()
        written = []
        for number, step in enumerate(plan.steps):
            poisoned = ~held(plan, number)
            arena[poisoned] = random.integers(0, 256, int(poisoned.sum()), np.uint8)
            before, kept = arena.copy(), np.ones(len(arena), bool)
            for begin, end in plan.access(number).writes:
                kept[begin:end] = False
            self._steps[number](arena.ctypes.data)
            stray = np.flatnonzero(kept & (arena != before))
            if len(stray):
                raise ProjectError(f"`{step.name}` wrote to byte {stray[0]} of the arena, which is not its own: "
                                   "this is a bug in a kernel")  # fmt: skip
            written.append(np.concatenate([arena[plan[name].offset :][: plan[name].size] for name in step.writes]))
        return written


def held(plan: Plan, step: int) -> np.ndarray:
    """bool[arena_bytes]: what holds a value for `step`, or for a later one, as it begins."""
    found, now = np.zeros(plan.arena_bytes, bool), plan.steps[step]
    for place in plan.placements:
        fresh = place.first_step == step and place.name in now.writes and place.name not in now.reads
        if place.kind != "scratch" and place.first_step <= step <= place.last_step and not fresh:
            found[place.offset : place.offset + place.size] = True
    return found


def _table_c(functions: Sequence[str]) -> str:
    names = ", ".join(functions)
    return f"\nextern void (*const tm_steps[])(uint8_t *);\nvoid (*const tm_steps[])(uint8_t *) = {{{names}}};\n"
